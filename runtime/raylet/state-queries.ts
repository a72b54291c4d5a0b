// Answers state queries: the brain's rows, and what the shell alone knows (ended tasks and jobs,
// progress, the object store, where this raylet listens).
// Invariants:
//   SQ1. What has ended is kept up to a cap, the newest; a query says how many rows it left out.
import type { Clock } from '../common/clock.ts'
import { ProtocolError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import type { UnitTotals } from '../gcs/meter.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { RayletCalls, StateRow } from '../protocol/messages.ts'
import type { SilentWaits } from './cluster/silent-waits.ts'
import type { ProgressBook } from './progress.ts'
import { limited, objectRows, stateRows } from './state-rows.ts'
import type { Job, RayletState } from './state.ts'
import type { TaskLog } from './task-log.ts'
import { whyPending, whyRows, whyStore } from './why-rows.ts'

/** Rows of one state query, unless it says otherwise. */
export const STATE_ROWS_DEFAULT = 10_000
/** An owner that has said nothing for so long has seen no change: it tells them sooner. */
const QUIET_MS = 500
/** Jobs that have ended are listed until there are so many newer ones. */
const FINISHED_JOBS_MAX = 1_000

export interface StateQueriesDeps {
  readonly state: RayletState
  readonly clock: Clock
  readonly taskLog: TaskLog
  readonly progress: ProgressBook
  readonly silent: Pick<SilentWaits, 'rows'>
  /** Open by the time anybody can ask. */
  readonly store: () => ObjectStore
  readonly where: { readonly address: string; readonly pid: number }
  /** What the tables of the GCS have cost; undefined: they lie in memory. */
  readonly units: UnitTotals | undefined
}

export class StateQueries {
  readonly #deps: StateQueriesDeps
  /** In hex. */
  readonly #nodeId: string
  readonly #startedAtMs: number
  readonly #finishedJobs: StateRow[] = []

  constructor(deps: StateQueriesDeps) {
    this.#deps = deps
    this.#nodeId = toHex(deps.state.config.nodeId)
    this.#startedAtMs = deps.clock.monotonicMs()
  }

  /** @throws ProtocolError for a kind that is not known. */
  answer(message: RayletCalls['state'][0]): RayletCalls['state'][1] {
    const { progress, store, state, clock } = this.#deps
    const limit = message.limit ?? STATE_ROWS_DEFAULT
    if (message.kind === 'tasks') return this.#tasks(limit)
    if (message.kind === 'objects') return objectRows(store(), this.#nodeId, limit)
    if (message.kind === 'summary') return limited(progress.rows(), limit)
    if (message.kind === 'why') return limited(this.#why(), limit)
    if (message.kind === 'gcsCost') return limited(this.#gcsCost(), limit)
    const rows = stateRows(state, message.kind, clock.monotonicMs())
    if (rows === undefined) throw new ProtocolError(`no rows of kind '${message.kind}' are known`)
    return limited(this.#completed(message.kind, rows), limit)
  }

  /** SQ1. */
  jobEnded(job: Job): void {
    const { name, namespace, jobId } = job.spec
    const ageMs = Math.round(this.#deps.clock.monotonicMs() - job.startedAtMs)
    const ended = { state: 'FINISHED', driverId: toHex(job.driver), driverPid: null, ageMs }
    const [id, nodeId] = [toHex(jobId), this.#nodeId]
    this.#finishedJobs.push({ jobId: id, nodeId, name, namespace, ...ended })
    if (this.#finishedJobs.length > FINISHED_JOBS_MAX) this.#finishedJobs.shift()
  }

  #tasks(limit: number): RayletCalls['state'][1] {
    const { rows, dropped } = this.#deps.taskLog.rows(limit)
    return { rows: rows.map((row) => ({ ...row, nodeId: this.#nodeId })), dropped }
  }

  #why(): StateRow[] {
    const { state, clock, progress, silent, store } = this.#deps
    return [
      ...whyRows(state, clock.monotonicMs()),
      ...whyStore(store()),
      ...silent.rows(),
      ...whyPending(state, progress.pendingSince(clock.monotonicMs() - QUIET_MS)),
    ]
  }

  /** Units are of this node since it started, `seconds` ago. */
  #gcsCost(): StateRow[] {
    const { units, clock } = this.#deps
    const nodeId = this.#nodeId
    const seconds = (clock.monotonicMs() - this.#startedAtMs) / 1000
    return (units?.rows() ?? []).map((row) => ({ nodeId, seconds, ...row }))
  }

  #completed(kind: string, rows: StateRow[]): StateRow[] {
    if (kind === 'jobs') {
      const known = new Set(rows.map((row) => row['jobId']))
      return [...this.#finishedJobs.filter((row) => !known.has(row['jobId'])), ...rows]
    }
    if (kind !== 'nodes') return rows
    const store = this.#deps.store().stats()
    const { address, pid } = this.#deps.where
    const shown = address.startsWith('/') ? `unix:${address}` : address
    return rows.map((row) => ({ ...row, address: shown, pid, store }))
  }
}
