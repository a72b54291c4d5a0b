// F73: a storm of cancels that race with the ends of what they cancel. `npm run test:full` makes
// 10,000 of them.
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  availableResources,
  cancel,
  clusterResources,
  get,
  init,
  shutdown,
  TaskCancelledError,
  type ObjectRef,
} from 'virga'
import { scaled } from '../../support/scale.ts'
import { stateRows } from '../../support/cluster-view.ts'
import { seeded } from '../../support/seeded.ts'
import { until } from '../../support/waiting.ts'
import * as fn from './functions.ts'

const CANCELS = scaled(10_000)
/** In flight at once: most are cancelled while they wait, some while they run, some too late. */
const BATCH = 100

beforeAll(() => init({ address: 'local', numCpus: 4, logToDriver: false }))
afterAll(shutdown)

/** Its end as who reads it sees it. */
const endOf = (ref: ObjectRef<number>): Promise<unknown> =>
  get(ref).catch((error: unknown) => error)

it(`F73: ${CANCELS} cancels race with ends: each task has one end, for everybody and for good`, async () => {
  const random = seeded(73)
  let finished = 0
  let cancelled = 0
  for (let done = 0; done < CANCELS; done += BATCH) {
    const refs = Array.from({ length: BATCH }, (_, i) => fn.square.remote(i))
    const reads = refs.map(endOf)
    for (const ref of refs) {
      if (random() < 0.1) await new Promise(setImmediate)
      void cancel(ref, { force: random() < 0.02 })
    }
    const ends = await Promise.all(reads)
    expect(await Promise.all(refs.map(endOf))).toEqual(ends)
    for (const [i, end] of ends.entries()) {
      if (end === i * i) finished += 1
      else {
        expect(end).toBeInstanceOf(TaskCancelledError)
        cancelled += 1
      }
    }
  }
  expect(finished + cancelled).toBe(CANCELS)
  expect(cancelled).toBeGreaterThan(0)
  await until(async () => {
    const [free, total] = [await availableResources(), await clusterResources()]
    return JSON.stringify(free) === JSON.stringify(total)
  })
  expect(await get(Array.from({ length: 8 }, (_, i) => fn.square.remote(i)))).toHaveLength(8)
  const statesNow = async (): Promise<string[]> =>
    (await stateRows<{ state: string }>('tasks')).map(({ state }) => state)
  await until(async () => (await statesNow()).includes('FINISHED')) // workers tell once a second
  for (const state of new Set(await statesNow())) {
    expect(['FINISHED', 'FAILED', 'CANCELLED']).toContain(state)
  }
}, 120_000)
