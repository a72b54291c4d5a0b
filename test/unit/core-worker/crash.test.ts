// What is told of a worker that ended under a task, where not all of it is known.
import { expect, it } from 'vitest'
import { fromHex, type WorkerId } from '../../../runtime/common/ids.ts'
import { EndedAttempts, crashError } from '../../../runtime/core-worker/crash.ts'
import type { WorkerExit } from '../../../runtime/protocol/messages.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { lostWorker } from '../../../runtime/raylet/lost-worker.ts'

const workerId = fromHex('0000000361d49eac21cfa1699a21') as WorkerId
const killed: WorkerExit = {
  ...{ workerId, pid: 41, code: null, signal: 'SIGKILL', peakRssBytes: 63e6, cause: 'CRASHED' },
  stderrTail: ['the last words'],
}

it('F07: of one whose node is lost the node is told, and no process id or exit code', () => {
  const record = { kind: { name: 'gen' }, attempt: 0 } as TaskRecord
  const { message } = crashError(record, lostWorker(workerId), [])
  expect(message).toContain('was on node 61d49eac21cf, which cannot be reached')
  expect(message).not.toMatch(/pid|null/)
})

it('F01: text and data have node, signal, each attempt, what to do, and the last words', () => {
  const record = { kind: { name: 'die' }, attempt: 0 } as TaskRecord
  const ended = new EndedAttempts()
  ended.add(record, killed)
  const once = crashError(record, killed, ended.all(record)).message
  expect(once).toBe(
    'die failed: its worker (pid 41, node 61d49eac21cf) was ended by SIGKILL. Give it maxRetries, ' +
      'if it may run again. It left: peak memory 63 MB; last lines of stderr:\nthe last words',
  )
  record.attempt = 1
  ended.add(record, lostWorker(workerId))
  record.attempt = 2
  ended.add(record, { ...killed, pid: 43 })
  const error = crashError(record, { ...killed, pid: 43 }, ended.all(record))
  expect(error.message).toContain(
    'SIGKILL, in the last of 3 attempts (before it: SIGKILL (pid 41, node 61d49eac21cf); lost with ' +
      'node 61d49eac21cf). What its worker wrote: virga logs 0000000361d4',
  )
  expect(error.data['ended']).toMatchObject([{ attempt: 0, pid: 41 }, {}, { signal: 'SIGKILL' }])
})

it('tells of a task that is retried for ever how the newest attempts ended, and how many there were', () => {
  const record = { kind: { name: 'die' }, attempt: 0 } as TaskRecord
  const ended = new EndedAttempts()
  for (record.attempt = 0; record.attempt < 100; record.attempt += 1) ended.add(record, killed)
  record.attempt = 99
  const { message } = crashError(record, killed, ended.all(record))
  expect(message).toContain('in the last of 100 attempts (before it: 92 that ended otherwise or ')
})
