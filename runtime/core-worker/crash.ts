// What to tell about a worker that ended under a task: exit code, signal, peak memory, last lines.
import { OutOfMemoryError, WorkerCrashedError, type VirgaError } from '../common/errors.ts'
import { nodeStartOf, toHex } from '../common/ids.ts'
import { describeMemoryUse, megabytes } from '../common/memory-use.ts'
import { describeRemains } from '../protocol/exit-text.ts'
import type { WorkerExit } from '../protocol/messages.ts'
import type { TaskRecord } from './task-record.ts'

/** Node ends itself with this code (SIGABRT as an exit code) when V8's heap is full. */
const HEAP_EXIT_CODE = 134
const POISON_ATTEMPTS = 3
/** Of a node's id, in a message. */
const SHOWN_NODE_CHARS = 12

export function isOutOfMemory(exit: WorkerExit): boolean {
  if (exit.cause === 'MEMORY_LIMIT' || exit.cause === 'MEMORY_PRESSURE') return true
  const aborted = exit.signal === 'SIGABRT' || exit.code === HEAP_EXIT_CODE
  return aborted && exit.stderrTail.some((line) => line.includes('heap out of memory'))
}

export function crashError(record: TaskRecord, exit: WorkerExit): VirgaError {
  const { name } = record.kind
  const data = {
    name,
    ...exitData(exit),
    attempts: record.attempt + 1,
    poison: record.attempt + 1 >= POISON_ATTEMPTS,
  }
  if (isOutOfMemory(exit)) {
    return new OutOfMemoryError(
      `${name} ran out of memory: its worker (pid ${String(exit.pid)}) used ` +
        `${megabytes(exit.peakRssBytes)} and was ended. ${describeMemoryUse(exit.memory)}` +
        'Give it more with the option memoryBytes, or work on smaller pieces.',
      { data },
    )
  }
  const how = exit.cause === 'NODE_LOST' ? describeLoss(exit) : describeExit(exit)
  return new WorkerCrashedError(`${name} failed: its worker ${how}`, { data })
}

/** `was on node 61d49eac21cf, which …`: nothing is known of the process itself. */
function describeLoss({ workerId }: WorkerExit): string {
  const node = toHex(nodeStartOf(workerId)).slice(0, SHOWN_NODE_CHARS)
  return (
    `was on node ${node}, which cannot be reached any more; it may or may not have run to ` +
    'its end. Give it maxRetries, if it may run again.'
  )
}

/** `(pid 12) was ended by SIGKILL; peak memory 80 MB; last lines of stderr: …` */
function describeExit(exit: WorkerExit): string {
  const how =
    exit.signal === null ? `exited with code ${String(exit.code)}` : `was ended by ${exit.signal}`
  const remains = describeRemains(exit)
  const left = remains === '' ? '' : `; ${remains}`
  const hint = exit.code === 0 ? ' (did the task call process.exit()? return from it instead)' : ''
  return `(pid ${String(exit.pid)}) ${how}${hint}${left}`
}

function exitData(exit: WorkerExit): Record<string, unknown> {
  return {
    workerId: toHex(exit.workerId),
    pid: exit.pid,
    exitCode: exit.code,
    signal: exit.signal,
    peakRssBytes: exit.peakRssBytes,
    stderrTail: exit.stderrTail,
    cause: exit.cause,
    ...(exit.memory === undefined ? {} : { memory: exit.memory }),
  }
}
