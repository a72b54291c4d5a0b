// How a worker ended, in words for error messages.
import type { WorkerExit } from '../protocol/messages.ts'

const CAUSES: Readonly<Record<WorkerExit['cause'], string>> = {
  CRASHED: 'crashed',
  MEMORY_LIMIT: 'used more memory than its lease allows and was killed',
  MEMORY_PRESSURE: 'was killed because the node ran out of memory',
  KILLED: 'was killed',
  IDLE: 'was idle and ended',
  OVER: 'was needed no more',
  ORPHANED: 'ran for a process that is gone or cannot be reached, and ended',
  NODE_LOST: 'ran on a node that cannot be reached any more',
  DRAINED: 'ended with its node, which was shut down',
}

/** `crashed (pid 4711, SIGSEGV)`. */
export function describeExit(exit: WorkerExit): string {
  const how = exit.signal ?? `exit code ${String(exit.code)}`
  return `${CAUSES[exit.cause]} (pid ${String(exit.pid)}, ${how})`
}
