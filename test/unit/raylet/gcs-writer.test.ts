// What the raylet writes into the GCS, as others read it.
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import { fromHex, type ActorId, type JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { readJobs, submitJob } from '../../../runtime/gcs/jobs.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { DRIVERS, nameKey } from '../../../runtime/gcs/tables.ts'
import { GcsWriter } from '../../../runtime/raylet/gcs-writer.ts'
import type { JobSpec } from '../../../runtime/protocol/messages.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { until } from '../../support/waiting.ts'

const jobSpec = (jobId: string): JobSpec => ({
  jobId: fromHex(jobId) as JobId,
  ...{ name: `job ${jobId}`, namespace: 'default', entry: undefined, argv: [], execArgv: [] },
  ...{ env: {}, cwd: '/', modules: [], logToDriver: true },
})

test('a page of submitted jobs is full, however many drivers have attached', async () => {
  const storage = new MemoryStorage()
  const writer = new GcsWriter({ storage, clock: systemClock, log: silentLog }, () => undefined)
  for (const id of ['00000001', '00000002', '00000003']) writer.driver(jobSpec(id), 'RUNNING')
  for (const submissionId of ['a', 'b', 'c']) {
    await submitJob(storage, { submissionId, request: {}, submittedAtMs: 5 })
  }
  await until(async () => (await storage.query('cluster', DRIVERS)).length === 3)
  const page = await readJobs(storage, { limit: 3 })
  expect(page.map(({ submissionId }) => submissionId)).toEqual(['a', 'b', 'c'])
})

test('GW4: of many names that were in doubt the one doubted last is kept, though it was the first, too', async () => {
  const memory = new MemoryStorage()
  const storage = changedStorage(memory, {
    putIf: async (...args) => {
      const outcome = await memory.putIf(...args)
      if (outcome.won) throw new GcsWriteUnknownError('the answer is lost')
      return outcome
    },
  })
  let told = 0
  const writer = new GcsWriter({ storage, clock: systemClock, log: silentLog }, () => (told += 1))
  const actorId = fromHex('a1'.repeat(12)) as ActorId
  const holder = { actorId, owner: 'dd', sinceMs: 0, nodeId: 'n1', epoch: 1 }
  const of = (name: string) => ({ name, namespace: 'n' })
  const claim = (name: string): void => {
    writer.perform({ kind: 'claimName', ...of(name), holder })
  }
  const release = (name: string): void => {
    writer.perform({ kind: 'releaseName', ...of(name), actorId })
  }
  claim('first')
  for (let other = 1; other < 10_000; other += 1) claim(String(other))
  release('first')
  claim('first')
  claim('10000')
  release('first')
  writer.driver(jobSpec('00000001'), 'RUNNING')
  await until(async () => (await memory.query('cluster', DRIVERS)).length === 1)
  expect(told).toBe(10_002)
  expect((await memory.get(nameKey('n', 'first')))?.value['actorId']).toBe('')
})
