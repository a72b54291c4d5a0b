// Frees that a node may have missed, as the connection to it broke: told again until it has
// answered.
// Invariants:
//   MF1. What was freed shortly before a connection breaks, or while there is none, is told that
//        node again, as long as it lives.
//   MF2. At most MISSED_MAX of them are kept for a node, the newest: the end of the job frees the
//        rest there.
//   MF3. Each is told with how long ago it was freed: what was made under its id since then, by a
//        task that runs again, stays.
//   MF4. What a node was told shortly before its end, or had missed, is told to all: others may
//        have copies from it.
import type { Clock, Timer } from '../../common/clock.ts'
import type { ClusterMember } from './cluster-member.ts'

/** Longer than a connection is taken for whole that is none. */
const RECENT_MS = 60_000
const MISSED_MAX = 10_000
const BATCH_MAX = 1_000
const AGAIN_MS = 1_000
const ANSWER_LIMIT_MS = 5_000

export interface MissedFreesDeps {
  readonly clock: Clock
  readonly member: Pick<ClusterMember, 'ask' | 'others'>
}

export class MissedFrees {
  readonly #deps: MissedFreesDeps
  /** Told to all: when each was freed, the newest last. */
  readonly #recent: Freed = new Map()
  /** By living node, what that was told besides: what is told a node ends with its life (MF4). */
  readonly #recentOf = new Map<string, Freed>()
  /** By node, when each was freed. */
  readonly #missed = new Map<string, Freed>()
  readonly #timers = new Map<string, Timer>()
  #isStopped = false

  constructor(deps: MissedFreesDeps) {
    this.#deps = deps
  }

  /** All others are told now, as far as they are reached. */
  freed(objectIds: readonly string[]): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const objectId of objectIds) {
      this.#recent.set(objectId, nowMs)
      for (const missed of this.#missed.values()) add(missed, objectId, nowMs)
    }
    forgetOld(this.#recent, nowMs)
  }

  /** That node alone is told now, as far as it is reached. */
  told(nodeId: string, objectIds: readonly string[]): void {
    const nowMs = this.#deps.clock.monotonicMs()
    const recent = this.#recentOf.get(nodeId) ?? new Map<string, number>()
    this.#recentOf.set(nodeId, recent)
    const missed = this.#missed.get(nodeId)
    for (const objectId of objectIds) {
      recent.set(objectId, nowMs)
      if (missed !== undefined) add(missed, objectId, nowMs)
    }
    forgetOld(recent, nowMs)
  }

  /** MF1. That node has not been told of these. */
  missedBy(nodeId: string, freed: Iterable<readonly [objectId: string, atMs: number]>): void {
    const missed = this.#missed.get(nodeId) ?? new Map<string, number>()
    for (const [objectId, atMs] of freed) add(missed, objectId, atMs)
    if (missed.size === 0 || this.#isStopped) return
    this.#missed.set(nodeId, missed)
    this.#later(nodeId)
  }

  missedByAll(freed: readonly (readonly [objectId: string, atMs: number])[]): void {
    for (const { nodeId } of this.#deps.member.others()) this.missedBy(nodeId, freed)
  }

  /** MF4. */
  died(nodeId: string): void {
    const told = [...(this.#recentOf.get(nodeId) ?? []), ...(this.#missed.get(nodeId) ?? [])]
    this.#recentOf.delete(nodeId)
    this.#missed.delete(nodeId)
    if (told.length > 0) this.missedByAll(told)
  }

  /** MF1. The connection to that node has closed, or could not be made. */
  lost(nodeId: string): void {
    const sinceMs = this.#deps.clock.monotonicMs() - RECENT_MS
    const recent = [...this.#recent, ...(this.#recentOf.get(nodeId) ?? [])]
    this.missedBy(
      nodeId,
      recent.filter(([, atMs]) => atMs >= sinceMs),
    )
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #later(nodeId: string): void {
    if (this.#timers.has(nodeId) || this.#isStopped) return
    const again = async (): Promise<void> => {
      const isTold = await this.#tell(nodeId)
      this.#timers.delete(nodeId)
      if (!isTold) this.#later(nodeId)
    }
    this.#timers.set(
      nodeId,
      this.#deps.clock.after(AGAIN_MS, () => void again()),
    )
  }

  /** @returns whether that node has missed none any more. */
  async #tell(nodeId: string): Promise<boolean> {
    const { member, clock } = this.#deps
    const missed = this.#missed.get(nodeId) ?? new Map<string, number>()
    const isLiving = member.others().some((node) => node.nodeId === nodeId)
    if (isLiving && missed.size > 0) {
      const batch = [...missed.entries().take(BATCH_MAX)]
      const nowMs = clock.monotonicMs()
      const objectIds = batch.map(([objectId]) => objectId)
      const agesMs = batch.map(([, atMs]) => nowMs - atMs) // MF3
      try {
        await member.ask(nodeId, 'freeMissed', { objectIds, agesMs }, ANSWER_LIMIT_MS)
      } catch {
        return false // MF1: it is away still; the error is of ours, or of the system
      }
      for (const [objectId, atMs] of batch) {
        if (missed.get(objectId) === atMs) missed.delete(objectId)
      }
      if (missed.size > 0) return false
    }
    this.#missed.delete(nodeId)
    return true
  }
}

/** When each was freed. */
type Freed = Map<string, number>

function forgetOld(recent: Freed, nowMs: number): void {
  for (const [objectId, atMs] of recent) {
    if (recent.size <= MISSED_MAX && nowMs - atMs <= RECENT_MS) break
    recent.delete(objectId)
  }
}

/** MF2. */
function add(missed: Map<string, number>, objectId: string, atMs: number): void {
  missed.set(objectId, atMs)
  const [oldest] = missed.keys()
  if (oldest !== undefined && missed.size > MISSED_MAX) missed.delete(oldest)
}
