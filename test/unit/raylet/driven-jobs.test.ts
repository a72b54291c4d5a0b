// A job that a node drives has a row until all that it leaves is gone: its groups, and what the
// bucket keeps for it, which goes once no node has anything of the job.
import { beforeEach, expect, it } from 'vitest'
import { fromHex, type JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { readGroup, registerGroup } from '../../../runtime/gcs/groups.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { heldPartition } from '../../../runtime/gcs/tables.ts'
import type { JobSpec } from '../../../runtime/protocol/messages.ts'
import { DrivenJobs, type DrivenJobsDeps } from '../../../runtime/raylet/cluster/driven-jobs.ts'
import { LOOK_MS_MAX, LOOK_MS_MIN } from '../../../runtime/raylet/cluster/looks.ts'
import { sweepAtEnd } from '../../../runtime/raylet/cluster/sweep-at-end.ts'
import { HandClock } from '../../support/hand-clock.ts'

const SELF = { nodeId: 'a0', epoch: 1 }
const ID = '0000beef'
const JOB = fromHex(ID) as JobId
const SPEC = { jobId: JOB, name: 'job', namespace: 'n' } as JobSpec

let storage: MemoryStorage
let clock: HandClock
let elsewhere: JobId[]
let bucket: { isThere: boolean; isAway: boolean; answers: boolean; forgotten: JobId[] }
let jobs: DrivenJobs
beforeEach(() => {
  storage = new MemoryStorage()
  clock = new HandClock()
  elsewhere = []
  bucket = { isThere: true, isAway: false, answers: true, forgotten: [] }
  const askEach = (): Promise<unknown> =>
    Promise.resolve({ answers: [{ jobIds: elsewhere }], silent: [] })
  jobs = new DrivenJobs({
    ...{ storage, clock, log: silentLog, self: SELF },
    liveJobs: () => [],
    member: { askEach } as unknown as DrivenJobsDeps['member'],
    places: {
      get hasBucket() {
        return bucket.isThere
      },
      jobForgotten: (jobId) => {
        if (!bucket.answers) return new Promise(() => undefined)
        if (!bucket.isAway) bucket.forgotten.push(jobId)
        return Promise.resolve(!bucket.isAway)
      },
    },
  })
})

const held = async (): Promise<readonly string[]> =>
  (await storage.query('cluster', heldPartition(SELF))).map(({ key }) => key.sk)

it('without a bucket the row goes with the job', async () => {
  bucket.isThere = false
  jobs.began(SPEC)
  await clock.advance(0)
  expect(await held()).toEqual([`D#${ID}`])
  jobs.forgotten(JOB)
  await clock.advance(0)
  expect(await held()).toEqual([])
  expect(clock.pendingCount).toBe(0)
})

it('JD2: while anything of it lives elsewhere, the bucket keeps what is kept for it', async () => {
  elsewhere = [JOB]
  jobs.began(SPEC)
  jobs.forgotten(JOB)
  await clock.advance(5 * LOOK_MS_MAX)
  expect(bucket.forgotten).toEqual([])
  elsewhere = []
  await clock.advance(LOOK_MS_MAX + 2 * LOOK_MS_MIN)
  expect(bucket.forgotten).toEqual([JOB])
  expect(await held()).toEqual([])
  expect(clock.pendingCount).toBe(0)
})

it('JD1: while the bucket is away the row stays, and it is tried again', async () => {
  bucket.isAway = true
  jobs.began(SPEC)
  jobs.forgotten(JOB)
  await clock.advance(5 * LOOK_MS_MAX)
  expect(await held()).toEqual([`D#${ID}`])
  bucket.isAway = false
  await clock.advance(LOOK_MS_MAX)
  expect(bucket.forgotten).toEqual([JOB])
  expect(await held()).toEqual([])
})

it('JD2: what a dead node has left to this one is deleted once its job has ended', async () => {
  elsewhere = [JOB]
  await jobs.inherit(JOB)
  await clock.advance(LOOK_MS_MAX)
  expect(await held()).toEqual([`D#${ID}`])
  elsewhere = []
  await clock.advance(LOOK_MS_MAX + 2 * LOOK_MS_MIN)
  expect(bucket.forgotten).toEqual([JOB])
  expect(await held()).toEqual([])
})

it('JD1: a group has no row before its job has one, and is removed before that goes', async () => {
  bucket.isThere = false
  elsewhere = [JOB]
  await jobs.groups(JOB)
  expect(await held()).toEqual([`D#${ID}`])
  const groupId = `${'ab'.repeat(8)}${ID}`
  await registerGroup(storage, {
    ...{ groupId, jobId: ID, name: 'g', detached: false, ...SELF, strategy: 'PACK' },
    ...{ bundles: [], state: 'PENDING', term: 0, attempt: 0, places: [] },
  })
  await clock.advance(5 * LOOK_MS_MAX)
  expect(await held()).toEqual([`D#${ID}`])
  elsewhere = []
  await clock.advance(LOOK_MS_MAX + 2 * LOOK_MS_MIN)
  expect(await readGroup(storage, groupId)).toBeUndefined()
  expect(await held()).toEqual([])
})

it('JD3: with the whole cluster goes what the bucket keeps for any job, with one node nothing', async () => {
  jobs.began(SPEC)
  await jobs.leave('THIS_NODE')
  expect(bucket.forgotten).toEqual([])
  await jobs.leave('BY_ANOTHER')
  expect(bucket.forgotten).toEqual([JOB])
})

it('JD3: a bucket that does not answer keeps no node from its end for more than 3 s', async () => {
  bucket.answers = false
  jobs.began(SPEC)
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => warnings.push(message) }
  let hasEnded = false
  const ended = sweepAtEnd({ clock, log }, jobs.leave('BY_ANOTHER')).then(() => (hasEnded = true))
  await clock.advance(2_999)
  expect(hasEnded).toBe(false)
  await clock.advance(1)
  await ended
  expect(warnings).toEqual([expect.stringContaining('the bucket was not swept within 3 s')])
})
