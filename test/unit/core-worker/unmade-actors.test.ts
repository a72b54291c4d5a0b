// The process that is to make an actor is killed while it awaits the arguments of its constructor,
// and others have the handle: no call waits for ever, and a retry of its task makes the actor for
// those that wait.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ActorDiedError } from '../../../runtime/common/errors.ts'
import { get } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { caught, until } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

/** Of the machine's clock; the cluster's is that much faster. */
const LIMIT_MS = 60_000
const SPEED = 5
/** More than a caller waits for a maker that is gone (MW1). */
const SLOW_MS = 30_000

let cluster: MemoryCluster
const open = new Map<string, () => void>()

beforeEach(async () => {
  for (const gate of ['argument', 'end']) {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    fn.gates.set(gate, promise)
    open.set(gate, () => {
      resolve(undefined)
    })
  }
  cluster = await MemoryCluster.start({ numCpus: 4, speed: SPEED })
})
afterEach(async () => {
  for (const opens of open.values()) opens()
  fn.gates.clear()
  await cluster.stop()
})

/** Ends the process that has lent the handle. */
async function killMaker(): Promise<void> {
  const lending = (): string | undefined =>
    [...cluster.workers.values()].find(({ worker }) => worker.references.counts().lent > 0)?.name
  await until(() => lending() !== undefined)
  cluster.kill(lending() ?? '')
}

it('a call is told that it was not made, made before its maker ended or after', async () => {
  const outcome = cluster.outcomeOf(async () => {
    const { actor } = await fn.makesLater.run('argument')
    const early = actor.id.remote()
    await killMaker()
    const error = await caught(get(early), ActorDiedError)
    await caught(actor.id.run(), ActorDiedError)
    return error
  }, LIMIT_MS)
  const error = await outcome
  expect(error).toBeInstanceOf(ActorDiedError)
  const { message, data } = error as ActorDiedError
  expect(message).toMatch(/^actor Keeper was not made: .* Create a new one, or call again/)
  expect(data).toMatchObject({ className: 'Keeper', mayHaveRun: false })
})

it('a maker that only takes its time is waited for', async () => {
  const outcome = cluster.outcomeOf(async () => {
    const { actor } = await fn.makesLater.run('argument')
    const early = actor.id.remote()
    setTimeout(() => open.get('argument')?.(), SLOW_MS / SPEED)
    return await get(early)
  }, LIMIT_MS)
  expect(await outcome).toBe(1)
})

it('a retry of its task makes it for the calls that wait', async () => {
  const outcome = cluster.outcomeOf(async () => {
    const asker = fn.RemoteAsker.remote()
    const lends = fn.lendsLater.remote(asker, 'argument', 'end')
    await killMaker()
    const asked = asker.ask.remote()
    open.get('argument')?.()
    const answer = await get(asked)
    open.get('end')?.()
    return [answer, await get(lends)]
  }, LIMIT_MS)
  expect(await outcome).toEqual([1, 1])
})
