// Workers and actors are killed without mercy while they are in use (F01, F12): nothing is lost,
// no result comes twice, no slot leaks, every caller hears. `npm run test:full` runs all of it:
// 500 kills during 20,000 tasks, 50 kills of actors.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ActorUnavailableError, get, init, shutdown, type ObjectRef } from 'virga'
import * as fn from './functions.ts'
import { RemoteLedger, stampedStep, type Stamped } from './stress-functions.ts'
import { slotsAreBack, stateRows } from '../../support/cluster-view.ts'
import { scaled } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'

const KILLS = scaled(500)
const TASKS = scaled(20_000)
const CHAIN = 20
const ACTOR_KILLS = scaled(50)

/** A seed that is printed with a failure makes the choice of victims repeatable. */
const seed = Number(process.env['VIRGA_TEST_SEED'] ?? Date.now() % 100_000)
let drawn = seed
function below(limit: number): number {
  drawn = (drawn * 1_103_515_245 + 12_345) % 2_147_483_648
  return Math.floor((drawn / 2_147_483_648) * limit)
}

interface WorkerRow {
  readonly pid: number
  readonly state: string
}

/** SIGKILLs one worker that runs something. @returns whether there was one */
async function killOne(): Promise<boolean> {
  const rows = await stateRows<WorkerRow>('workers')
  const busy = rows.filter((row) => row.state === 'LEASED' && row.pid > 0)
  const victim = busy[below(busy.length)]
  if (victim === undefined) return false
  try {
    process.kill(victim.pid, 'SIGKILL')
    return true
  } catch {
    return false // it ended a moment ago
  }
}

describe(`chaos, seed ${String(seed)}`, () => {
  beforeEach(async () => {
    await init({ address: 'local', numCpus: 4, logToDriver: false })
  })
  afterEach(shutdown)

  it(`F01 ${String(KILLS)} SIGKILLs of workers during ${String(TASKS)} dependent tasks`, async () => {
    const ledger = RemoteLedger.options({ numCpus: 0 }).remote()
    const chains = TASKS / CHAIN
    const stamps = new Set<string>()
    let ended = 0
    let kills = 0
    let killing = false
    const killIfDue = async (): Promise<void> => {
      if (killing) return
      killing = true
      // Paced by the tasks that have ended, so that the kills are spread over all of them.
      while (kills < KILLS && kills < (ended + 1) * (KILLS / chains)) {
        if (await killOne()) kills += 1
        else await fn.square.options({ maxRetries: -1 }).run(1)
      }
      killing = false
    }
    const runChain = async (index: number): Promise<void> => {
      const first = { value: index, stamp: 'none', given: '' }
      const refs: ObjectRef<Stamped>[] = []
      for (let i = 0; i < CHAIN; i += 1) {
        refs.push(stampedStep.remote(refs.at(-1) ?? first, ledger))
      }
      // Whoever reads a ref, a task or this driver, is given the result of the same run.
      let before: Stamped = first
      for (const result of await get(refs)) {
        expect(result).toMatchObject({ value: before.value + 1, given: before.stamp })
        stamps.add(result.stamp)
        before = result
      }
      ended += 1
      await killIfDue()
    }
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < chains) await runChain(next++)
    }
    await Promise.all([killIfDue(), ...Array.from({ length: 12 }, lane)])
    await until(() => !killing)
    expect(kills).toBeGreaterThanOrEqual(KILLS - 1)
    expect([ended, stamps.size]).toEqual([chains, TASKS])
    const { effects, told } = await ledger.counts.run()
    expect(effects).toBe(TASKS) // by idempotency key: those of runs that were lost are not others
    expect(told).toBeGreaterThanOrEqual(TASKS)
    await until(slotsAreBack)
    expect(await get(Array.from({ length: 8 }, (_, i) => fn.square.remote(i)))).toHaveLength(8)
  }, 240_000)

  it('F01 map gives every result once and in order while workers are killed', async () => {
    const count = scaled(2000)
    const values: number[] = []
    const step = fn.slowStep.options({ maxRetries: -1 })
    for await (const value of step.map(Array.from({ length: count }, (_, i) => i))) {
      values.push(value)
      if (values.length % 40 === 0) await killOne()
    }
    expect(values).toEqual(Array.from({ length: count }, (_, i) => i + 1))
    await until(slotsAreBack)
  }, 120_000)

  it(`F12 ${String(ACTOR_KILLS)} SIGKILLs of actors under call load: every caller hears`, async () => {
    const actors = Array.from({ length: 4 }, () =>
      fn.RemoteCounter.options({ maxRestarts: -1 }).remote(),
    )
    let kills = 0
    let heard = 0
    let unavailable = 0
    let submitted = 0
    const killed = new Set<(typeof actors)[number]>()
    const callers = actors.flatMap((actor) =>
      Array.from({ length: 3 }, async () => {
        while (kills < ACTOR_KILLS) {
          const refs = Array.from({ length: 10 }, () => actor.slowInc.remote(1))
          submitted += refs.length
          for (const ref of refs) {
            try {
              await get(ref)
            } catch (error) {
              expect(error).toBeInstanceOf(ActorUnavailableError)
              unavailable += 1
            }
            heard += 1
          }
        }
      }),
    )
    while (kills < ACTOR_KILLS) {
      const actor = actors[below(actors.length)]
      try {
        const pid = await actor?.pid.run()
        if (actor === undefined || pid === undefined) continue
        process.kill(pid, 'SIGKILL')
        killed.add(actor)
        kills += 1
      } catch (error) {
        expect(error).toBeInstanceOf(ActorUnavailableError)
      }
    }
    await Promise.all(callers)
    expect(heard).toBe(submitted)
    expect(unavailable).toBeGreaterThan(0)
    for (const actor of killed) {
      await until(async () => {
        try {
          return await actor.restarted.run()
        } catch (error) {
          expect(error).toBeInstanceOf(ActorUnavailableError)
          return false
        }
      })
    }
  }, 120_000)
})
