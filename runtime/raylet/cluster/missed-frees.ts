// Frees that a node may have missed, as the connection to it broke: told again until it has
// answered.
// Invariants:
//   MF1. What was freed shortly before a connection breaks, or while there is none, is told that
//        node again, as long as it lives.
//   MF2. At most MISSED_MAX of them are kept for a node, the newest: the end of the job frees the
//        rest there.
//   MF3. Each is told with how long ago it was freed: what was made under its id since then, by a
//        task that runs again, stays.
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
  /** When each was freed, the newest last. */
  readonly #recent = new Map<string, number>()
  /** By node, when each was freed. */
  readonly #missed = new Map<string, Map<string, number>>()
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
    for (const [objectId, atMs] of this.#recent) {
      if (this.#recent.size <= MISSED_MAX && nowMs - atMs <= RECENT_MS) break
      this.#recent.delete(objectId)
    }
  }

  /** MF1. The connection to that node has closed, or could not be made. */
  lost(nodeId: string): void {
    const missed = this.#missed.get(nodeId) ?? new Map<string, number>()
    const sinceMs = this.#deps.clock.monotonicMs() - RECENT_MS
    for (const [objectId, atMs] of this.#recent) if (atMs >= sinceMs) add(missed, objectId, atMs)
    if (missed.size === 0 || this.#isStopped) return
    this.#missed.set(nodeId, missed)
    this.#later(nodeId)
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

/** MF2. */
function add(missed: Map<string, number>, objectId: string, atMs: number): void {
  missed.set(objectId, atMs)
  const [oldest] = missed.keys()
  if (oldest !== undefined && missed.size > MISSED_MAX) missed.delete(oldest)
}
