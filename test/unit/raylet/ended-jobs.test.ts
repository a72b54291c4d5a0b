// Of a job whose driver has ended a node keeps what a detached actor may need, until none is left.
import { beforeEach, expect, it } from 'vitest'
import { delay } from '../../../runtime/common/clock.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { EndedJobs, type JobWatched } from '../../../runtime/raylet/cluster/ended-jobs.ts'
import { LOOK_MS_MAX } from '../../../runtime/raylet/cluster/looks.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { detachedActorOf, endActorOf } from './actor-row.ts'

const JOB = 'aaaa' as JobId
const OF_ENDED: JobWatched = { jobId: JOB, isHome: false, drivenAt: undefined }

let clock: HandClock
let storage: MemoryStorage
let hasAny: boolean
/** By node; one that is not in it does not answer for 5 s. */
let drivenAt: Map<string, JobId[]>
let asked: string[]
let over: JobId[]
let jobs: EndedJobs

beforeEach(() => {
  clock = new HandClock()
  storage = new MemoryStorage()
  hasAny = true
  drivenAt = new Map([['a1', [JOB]]])
  asked = []
  over = []
  jobs = new EndedJobs({
    ...{ clock, storage, log: silentLog, random: { next: () => 0.5 } as never },
    jobsOf: async (nodeId) => {
      asked.push(nodeId)
      const jobIds = drivenAt.get(nodeId)
      if (jobIds === undefined) await delay(clock, 5_000)
      return jobIds && new Set(jobIds)
    },
    present: () => ({ has: () => hasAny }),
    over: (jobId) => {
      over.push(jobId)
    },
  })
})

it('EJ1: a job is over once none of its detached actors is left', async () => {
  await detachedActorOf(storage, JOB)
  jobs.watch(OF_ENDED)
  await clock.advance(5 * LOOK_MS_MAX)
  expect(over).toEqual([])
  await endActorOf(storage, JOB)
  jobs.watch(OF_ENDED) // said once more, which changes nothing
  await clock.advance(LOOK_MS_MAX)
  expect(over).toEqual([JOB])
  expect(clock.pendingCount).toBe(0)
})

it('EJ2: its home knows at once, others within seconds', async () => {
  jobs.watch({ ...OF_ENDED, isHome: true })
  await clock.advance(0)
  expect(over).toEqual([JOB])
  jobs.watch(OF_ENDED)
  await clock.advance(1_000)
  expect(over).toEqual([JOB])
  await clock.advance(1_000)
  expect(over).toEqual([JOB, JOB])
})

it('when the last process of it has gone it is looked for soon, however long it went on', async () => {
  await detachedActorOf(storage, JOB)
  jobs.watch(OF_ENDED)
  await clock.advance(10 * LOOK_MS_MAX)
  await endActorOf(storage, JOB)
  jobs.jobForgotten(JOB, false)
  await clock.advance(3_000)
  expect(over).toEqual([JOB])
})

it('of which nothing is left here no row is read', async () => {
  hasAny = false
  storage.query = () => Promise.reject(new Error('it is read'))
  jobs.watch({ ...OF_ENDED, isHome: true })
  await clock.advance(LOOK_MS_MAX)
  expect(over).toEqual([])
  expect(clock.pendingCount).toBe(0)
})

it('EJ3: a driver that is cut off is waited for; its node says that it has ended', async () => {
  jobs.watch({ ...OF_ENDED, drivenAt: 'a1' })
  await clock.advance(10 * LOOK_MS_MAX)
  expect(over).toEqual([])
  drivenAt.set('a1', [])
  await clock.advance(LOOK_MS_MAX)
  expect(over).toEqual([JOB])
})

it('EJ3: a node that does not answer is asked once for all its jobs, and delays no others', async () => {
  const cutOff = Array.from({ length: 20 }, (_, i) => `job${i}` as JobId)
  for (const jobId of cutOff) jobs.watch({ ...OF_ENDED, jobId, drivenAt: 'away' })
  drivenAt.set('a1', [])
  jobs.watch({ ...OF_ENDED, drivenAt: 'a1' })
  await clock.advance(3_000)
  expect(over).toEqual([JOB])
  expect(asked).toEqual(['away', 'a1'])
})
