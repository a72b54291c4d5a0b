// What all calls of one remote function (or actor method) with one set of options share.
// Made once by remote()/options(), so that a call itself allocates only what is its own.
import { UsageError } from '../common/errors.ts'
import type { ActorId, JobId } from '../common/ids.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import type { Tally } from './tally.ts'

/** true, false, or the names of error classes. */
export type RetryExceptions = boolean | readonly string[]

export interface TaskKind {
  readonly kind: 'task' | 'actor'
  /** Computed at the first submit: reading the home file costs. */
  identity(): FunctionIdentity
  jobId(): JobId
  readonly name: string
  readonly method: string | undefined
  readonly actorId: ActorId | undefined
  readonly numReturns: number
  readonly streaming: boolean
  readonly streamBufferSize: number
  readonly maxRetries: number
  /** Of a call: it may run again as often as its actor's maker said, neither it nor its method. */
  readonly asItsActor?: boolean
  readonly retryExceptions: RetryExceptions
  readonly timeoutMs: number | undefined
  readonly maxCalls: number | undefined
  readonly concurrencyGroup: string | undefined
  readonly signal: AbortSignal | undefined
  readonly resources: ResourceSet
  /** Tasks only: what their leases must give. */
  readonly scheduling: ClassSpec | undefined
  readonly limit: LimitSpec | undefined
  /** Tasks only: submitted by a detached actor, or what works for one. */
  readonly ofDetached?: boolean
  /** Milliseconds one run takes, as measured; steers how many are pushed ahead. */
  readonly timing: Timing
  /** Lives as long as calls of this kind do: the actor's entry. */
  readonly holds?: object
}

export interface LimitSpec {
  readonly name: string
  readonly concurrency: number | undefined
  readonly perSecond: number | undefined
}

/** What is measured of one kind: a moving average of run times, and counts that tally.ts keeps. */
export class Timing {
  /** Submitted and not ended. */
  pendingCount = 0
  /** Ended since the tally took them last. */
  doneCount = 0
  failedCount = 0
  /** Set while the tally knows of this kind. */
  tally: Tally | undefined
  #averageMs: number | undefined

  get averageMs(): number | undefined {
    return this.#averageMs
  }

  add(runMs: number): void {
    this.#averageMs = this.#averageMs === undefined ? runMs : this.#averageMs * 0.9 + runMs * 0.1
    // A task that turns out slow must stop the pushing ahead at once, not ten tasks later.
    if (runMs > this.#averageMs * 4) this.#averageMs = runMs
  }
}

/** @throws UsageError for the call of an actor. */
export function refuseForce({ kind, name }: TaskKind): void {
  if (kind !== 'actor') return
  throw new UsageError(
    `${name} is the call of an actor: cancel() by force would end the actor with it. Leave force ` +
      'out, or end the actor with kill()',
  )
}
