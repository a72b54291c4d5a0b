// One submitted task, from the call to its last attempt: arguments, returns, what is left to try.
//   WAITING ─1─► QUEUED ─2─► PUSHED ─3─► DONE
//                  ▲────4────┘
//   1. dependencies complete   2. pushed to a leased worker or actor   3. reply, failure or cancel
//   4. handed back (uncharged) or retried (attempt + 1)
import type { Timer } from '../common/clock.ts'
import type { PackedArguments } from './arguments.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { Scope } from './scope.ts'
import type { StreamState } from './streams.ts'
import type { TaskKind } from './task-kind.ts'

export const WAITING = 0
export const QUEUED = 1
export const PUSHED = 2
export const DONE = 3

export class TaskRecord {
  readonly kind: TaskKind
  readonly scope: Scope
  readonly index: number
  phase = WAITING
  /** The slab with its record (task-frames.ts) once the dependencies are in, and where it lies:
   *  a view of its own would take longer to make than the record, and 100 B. */
  args: Buffer | undefined
  argsAt = 0
  argsBytes = 0
  /** What the arguments need until the task is done: dependencies, refs inside values. */
  holds: readonly ObjectEntry[] | undefined
  /** Top-level refs among the arguments, while some of them are pending. */
  dependencies: readonly ObjectEntry[] | undefined
  /** True once the call has returned while arguments were still awaited. */
  awaited = false
  /** Its place among the live tasks: live-tasks.ts. */
  liveAt = -1
  attempt = 0
  retriesLeft: number
  oomRetriesLeft = 0
  seq = -1
  /** The nodes, in hex, where it may have run with nobody hearing of it: a result of that may lie
   *  there. One node alone has no name. */
  unheardAt: readonly (string | undefined)[] | undefined
  /** Where it was pushed last. */
  peer: Peer | undefined
  /** One entry for one return (the common case) or several. A call without returns has one too:
   *  `run` waits for it. */
  returns: ObjectEntry | readonly ObjectEntry[] | undefined
  stream: StreamState | undefined
  /** Set while a time-out runs, from the start of the attempt. */
  timer: Timer | undefined
  /** Undoes what the call registered elsewhere (its AbortSignal). */
  onEnd: (() => void) | undefined

  constructor(kind: TaskKind, scope: Scope, index: number) {
    this.kind = kind
    this.scope = scope
    this.index = index
    this.retriesLeft = kind.maxRetries
  }

  /** Whether its current attempt is the one pushed to `peer` as `seq`: not retried, not done. */
  isAt(peer: Peer, seq: number): boolean {
    return this.phase === PUSHED && this.peer === peer && this.seq === seq
  }

  unheard(nodeId: string | undefined): void {
    if (this.unheardAt?.includes(nodeId) !== true) {
      this.unheardAt = [...(this.unheardAt ?? []), nodeId]
    }
  }

  take({ slab, at, sizeBytes }: PackedArguments): void {
    this.args = slab
    this.argsAt = at
    this.argsBytes = sizeBytes
  }

  entries(): readonly ObjectEntry[] {
    const { returns } = this
    if (returns === undefined) return []
    return Array.isArray(returns) ? (returns as readonly ObjectEntry[]) : [returns as ObjectEntry]
  }
}
