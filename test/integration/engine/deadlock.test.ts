// Deadlock (issue item 8): who waits for itself is told so, with the chain; who only waits is not.
// The cases do little but wait, so they wait beside each other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DeadlockError, GetTimeoutError, TaskError, get, init, put, shutdown } from 'virga'
import * as fn from './functions.ts'
import { caught } from '../../support/waiting.ts'

/** The ring has stood for 2 s at most when it is told; the rest is for a busy machine. */
const TOLD_WITHIN_MS = 2000 + 3000

function rootOf(error: unknown): unknown {
  return error instanceof TaskError ? rootOf(error.cause) : error
}

async function deadlockOf(promise: Promise<unknown>): Promise<DeadlockError> {
  const startMs = Date.now()
  const root = rootOf(await caught(promise, Error))
  expect(root).toBeInstanceOf(DeadlockError)
  expect(Date.now() - startMs).toBeLessThan(TOLD_WITHIN_MS)
  return root as DeadlockError
}

describe.each(['local', 'inline'])('deadlock, address %s', (address) => {
  beforeAll(async () => {
    await init({ address, numCpus: 2 })
  })
  afterAll(shutdown)

  it.concurrent('an actor that awaits a call of its own ends in DeadlockError, and lives on', async () => {
    const link = fn.RemoteLink.remote()
    await link.link.run(link)
    const { data, message } = await deadlockOf(link.pass.run(1))
    expect(data['chain']).toEqual(['Link.pass', 'Link.pass'])
    expect(message).toContain('Link.pass → Link.pass')
    expect(await link.pass.run(0)).toBe(42)
  })

  it.concurrent('so does one that awaits a hundred, whose ids are told only once that lasts', async () => {
    const link = fn.RemoteLink.remote()
    await link.link.run(link)
    const root = rootOf(await caught(link.passMany.run(100), Error))
    expect(root).toBeInstanceOf(DeadlockError)
    const { data } = root as DeadlockError
    expect(data['chain']).toEqual(['Link.passMany', 'Link.passMany'])
    expect(await link.pass.run(0)).toBe(42)
  })

  it.concurrent('so does a ring of three actors, which are told the whole chain', async () => {
    const links = [fn.RemoteLink.remote(), fn.RemoteLink.remote(), fn.RemoteLink.remote()] as const
    for (const [i, link] of links.entries()) await link.link.run(links[(i + 1) % 3])
    const { data } = await deadlockOf(links[0].pass.run(3))
    expect(data['chain']).toEqual(['Link.pass', 'Link.pass', 'Link.pass', 'Link.pass'])
    expect(await get(links.map((link) => link.pass.remote(0)))).toEqual([42, 42, 42])
  })

  it.concurrent('a chain that comes back to an actor with a free place is none', async () => {
    const wide = fn.RemoteLink.options({ maxConcurrency: 2 })
    const links = [wide.remote(), wide.remote()] as const
    await links[0].link.run(links[1])
    await links[1].link.run(links[0])
    expect(await links[0].pass.run(3)).toBe(42)
    await deadlockOf(links[0].pass.run(4))
  })

  it.concurrent('two tasks that wait for each other', async () => {
    const [one, two] = [fn.RemoteKeeper.remote(), fn.RemoteKeeper.remote()]
    const [a, b] = [fn.waitsAt.remote(one), fn.waitsAt.remote(two)]
    await one.keep.run({ ref: b })
    await two.keep.run({ ref: a })
    const { data } = await deadlockOf(get([a, b]))
    expect(data['chain']).toEqual(['waitsAt', 'waitsAt', 'waitsAt'])
  })

  it.concurrent('a wait for any one of two is told when both wait for it', async () => {
    const [one, two] = [fn.RemoteKeeper.remote(), fn.RemoteKeeper.remote()]
    const first = fn.waitsForAny.remote(one)
    await two.keep.run({ ref: first })
    const both = [fn.waitsAt.remote(two), fn.waitsAt.remote(two)]
    await one.keep.run({ ref: await put(both) })
    // One of the three is told, and with it the others go on.
    await deadlockOf(get([first, ...both]))
  })

  it.concurrent('a wait for any one, of which one runs, is not told', async () => {
    const keeper = fn.RemoteKeeper.remote()
    const self = fn.waitsForAny.remote(keeper)
    await keeper.keep.run({ ref: await put([self, fn.sleep.remote(1500)]) })
    expect(await get(self)).toBe(1)
  })

  it.concurrent('a task that waits for one which needs its result', async () => {
    const keeper = fn.RemoteKeeper.remote()
    const outer = fn.waitsAt.remote(keeper)
    const needsIt = fn.echo.remote(outer)
    await keeper.keep.run({ ref: fn.echo.remote(needsIt) })
    const { data } = await deadlockOf(get(outer))
    expect(data['chain']).toEqual(['waitsAt', 'echo', 'echo', 'waitsAt'])
  })

  it.concurrent('an actor that reads a stream of its own, or awaits a call of its own without returns', async () => {
    const link = fn.RemoteLink.remote()
    await link.link.run(link)
    await deadlockOf(link.readItems.run())
    await deadlockOf(link.passSilently.run())
    expect(await link.pass.run(0)).toBe(42)
  })

  it.concurrent('a task that holds the only token of a limiter and waits for another under it', async () => {
    await deadlockOf(fn.limitedOuter.run())
  })

  it.concurrent('a wait that ends by itself is no deadlock: its time-out tells', async () => {
    const keeper = fn.RemoteKeeper.remote()
    const ref = fn.waitsWithLimit.remote(keeper)
    await keeper.keep.run({ ref })
    expect(rootOf(await caught(get(ref), TaskError))).toBeInstanceOf(GetTimeoutError)
  })

  it.concurrent('deep recursion and slow work are no deadlock', async () => {
    expect(await fn.depth.run(5)).toBe(5)
    const keeper = fn.RemoteKeeper.remote()
    const waiting = fn.waitsAt.remote(keeper)
    await keeper.keep.run({ ref: fn.sleep.remote(1500) })
    expect(await get(waiting)).toBe(1500)
  })
})
