// Jobs: what was decided stands, also when the hint that it is pending cannot be taken away.
import { expect, test } from 'vitest'
import { GcsUnavailableError, GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import { claimJob, submitJob } from '../../../runtime/gcs/jobs.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { changedStorage } from '../../support/changed-storage.ts'

test.each([new GcsUnavailableError('away'), new GcsWriteUnknownError('the answer is lost')])(
  'F33: a job is claimed although its hint stays: %s',
  async (outage) => {
    const memory = new MemoryStorage()
    const storage = changedStorage(memory, { delete: () => Promise.reject(outage) })
    const seen = await submitJob(storage, { submissionId: 'a', request: {}, submittedAtMs: 5 })
    expect(await claimJob(storage, seen, 'n1')).toMatchObject({ state: 'RUNNING', runner: 'n1' })
  },
)
