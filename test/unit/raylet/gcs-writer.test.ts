// What the raylet writes into the GCS, as others read it.
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { fromHex, type JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { readJobs, submitJob } from '../../../runtime/gcs/jobs.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { DRIVERS } from '../../../runtime/gcs/tables.ts'
import { GcsWriter } from '../../../runtime/raylet/gcs-writer.ts'
import type { JobSpec } from '../../../runtime/protocol/messages.ts'
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
