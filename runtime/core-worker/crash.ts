// What to tell about a worker that ended under a task: exit code, signal, node, peak memory, last
// lines, the attempts before and how each of those ended; and what to do about it.
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
/** Attempts that are told one by one, the newest: a task may be retried for ever. */
const TOLD_MAX = 8

/** How one attempt ended, as `data.ended` of the error has it. */
export interface EndedAttempt {
  readonly attempt: number
  /** The start of its id. */
  readonly node: string
  readonly pid: number
  readonly exitCode: number | null
  readonly signal: string | null
  readonly cause: WorkerExit['cause']
}

/** The attempts of each task that ended with their workers. Few tasks have any: not in the record. */
export class EndedAttempts {
  readonly #of = new WeakMap<TaskRecord, readonly EndedAttempt[]>()

  add(record: TaskRecord, exit: WorkerExit): void {
    const { pid, code: exitCode, signal, cause } = exit
    const one = { attempt: record.attempt, node: nodeOf(exit), pid, exitCode, signal, cause }
    this.#of.set(record, [...this.all(record), one].slice(-TOLD_MAX))
  }

  /** The oldest first. */
  all(record: TaskRecord): readonly EndedAttempt[] {
    return this.#of.get(record) ?? []
  }
}

export function isOutOfMemory(exit: WorkerExit): boolean {
  if (exit.cause === 'MEMORY_LIMIT' || exit.cause === 'MEMORY_PRESSURE') return true
  const aborted = exit.signal === 'SIGABRT' || exit.code === HEAP_EXIT_CODE
  return aborted && exit.stderrTail.some((line) => line.includes('heap out of memory'))
}

/** @param ended  its attempts that ended with their workers, this one the last. */
export function crashError(
  record: TaskRecord,
  exit: WorkerExit,
  ended: readonly EndedAttempt[],
): VirgaError {
  const { name } = record.kind
  const attempts = record.attempt + 1
  const data = {
    name,
    ...exitData(exit),
    attempts,
    ended,
    poison: attempts >= POISON_ATTEMPTS,
  }
  if (isOutOfMemory(exit)) {
    return new OutOfMemoryError(
      `${name} ran out of memory: its worker (pid ${String(exit.pid)}) used ` +
        `${megabytes(exit.peakRssBytes)} and was ended. ${describeMemoryUse(exit.memory)}` +
        'Give it more with the option memoryBytes, or work on smaller pieces.',
      { data },
    )
  }
  const tries = describeTries(attempts, ended.slice(0, -1))
  const isLost = exit.cause === 'NODE_LOST' || exit.cause === 'ORPHANED'
  const how = isLost ? describeLoss(exit, tries) : describeExit(exit, tries)
  return new WorkerCrashedError(`${name} failed: its worker ${how}`, { data })
}

/** `, in the last of 4 attempts (before it: SIGKILL (pid 12, node 61d49eac21cf); …)`; '' of one. */
function describeTries(attempts: number, before: readonly EndedAttempt[]): string {
  if (attempts === 1) return ''
  const list = before.map(describeAttempt)
  const others = attempts - 1 - before.length
  if (others > 0) list.unshift(`${String(others)} that ended otherwise or earlier`)
  return `, in the last of ${String(attempts)} attempts (before it: ${list.join('; ')})`
}

function describeAttempt({ cause, signal, exitCode, pid, node }: EndedAttempt): string {
  if (cause === 'NODE_LOST') return `lost with node ${node}`
  if (cause === 'ORPHANED') return `lost with the connection to node ${node}`
  return `${signal ?? `exit code ${String(exitCode)}`} (pid ${String(pid)}, node ${node})`
}

/** `was on node 61d49eac21cf, which …`: nothing is known of the process itself. */
function describeLoss(exit: WorkerExit, tries: string): string {
  const advice =
    tries === '' ? 'Give it maxRetries, if it may run again.' : 'Raise its maxRetries, if it may.'
  const what =
    exit.cause === 'ORPHANED' ? 'the connection to it broke' : 'which cannot be reached any more'
  return (
    `was on node ${nodeOf(exit)}, ${what}${tries}; it may or may not have run to its end. ` + advice
  )
}

/** `(pid 12, node 61d49eac21cf) was ended by SIGKILL. Give it maxRetries …; peak memory 80 MB; …` */
function describeExit(exit: WorkerExit, tries: string): string {
  const how =
    exit.signal === null ? `exited with code ${String(exit.code)}` : `was ended by ${exit.signal}`
  const remains = describeRemains(exit)
  const left = remains === '' ? '' : ` It left: ${remains}`
  const who = `(pid ${String(exit.pid)}, node ${nodeOf(exit)})`
  return `${who} ${how}${tries}. ${adviceOn(exit, tries)}${left}`
}

function adviceOn({ code, workerId }: WorkerExit, tries: string): string {
  if (code === 0) return 'Did the task call process.exit()? Return from it instead.'
  if (tries === '') return 'Give it maxRetries, if it may run again.'
  return `What its worker wrote: virga logs ${toHex(workerId)}, while the cluster runs.`
}

const nodeOf = ({ workerId }: Pick<WorkerExit, 'workerId'>): string =>
  toHex(nodeStartOf(workerId)).slice(0, SHOWN_NODE_CHARS)

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
