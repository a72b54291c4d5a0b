// What is told of a worker that ended under a task, where not all of it is known.
import { expect, it } from 'vitest'
import { fromHex, type WorkerId } from '../../../runtime/common/ids.ts'
import { crashError } from '../../../runtime/core-worker/crash.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { lostWorker } from '../../../runtime/raylet/lost-worker.ts'

it('F07: of one whose node is lost the node is told, and no process id or exit code', () => {
  const workerId = fromHex('0000000361d49eac21cfa1699a21') as WorkerId
  const record = { kind: { name: 'gen' }, attempt: 0 } as TaskRecord
  const { message } = crashError(record, lostWorker(workerId))
  expect(message).toContain('was on node 61d49eac21cf, which cannot be reached')
  expect(message).not.toMatch(/pid|null/)
})
