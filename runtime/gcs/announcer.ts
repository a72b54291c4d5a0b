// What a node tells everybody by the membership row: a thousand nodes that come or go at once would
// race for that row, and be charged for all that they lose. So of a crowd one announces for all.
// Invariants:
//   AN1. One write of a node is on its way at a time; in a crowd the next begins no sooner than
//        EVERY_MS after it began. What is told meanwhile goes along with that. The first goes at
//        once.
//   AN2. At most WAITING_MAX wait; who is refused races for itself.
//   AN3. Who announces for a crowd, rendezvous hashing names, and who if that one does not answer
//        in time, as it may have left. Who is told by none that it is done does it itself. Nodes
//        that drain announce only where all do, as when a fleet is scaled to zero.
//   AN4. Where all of a crowd drain, who leaves tells nobody: its own row says it, and who is still
//        there finds that it does not answer.
import { delay } from '../common/clock.ts'
import { GcsUnavailableError } from '../common/errors.ts'
import type { Announcement } from './membership-changes.ts'
import type { MembershipView } from './membership-view.ts'
import { announce, type NodeRow } from './nodes.ts'
import { rendezvous } from './rendezvous.ts'
import type { RaceDeps } from './until-won.ts'

/** Of so many nodes one announces what all have to tell; fewer race for the membership row. */
export const CROWD = 64
const EVERY_MS = 250
/** Each may take its time to answer, and who leaves has little. */
const ASKED_MAX = 2
/** What a cluster of thousands may have to tell at once. */
const WAITING_MAX = 10_000

export interface AnnouncerDeps {
  readonly self: string
  readonly race: RaceDeps
  readonly view: Pick<MembershipView, 'living' | 'size'>
  isSuspected(nodeId: string): boolean
  /** Arrives as `announceHere` at the other's. @returns whether it was announced there. */
  announceAt(node: NodeRow, announcement: Announcement): Promise<boolean>
}

export class Announcer {
  readonly #deps: AnnouncerDeps
  readonly #waiting = new Map<string, Announcement>()
  /** Will tell what waits. */
  #next: Promise<void> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #beganMs = -Infinity

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps
  }

  /**
   * AN3. Resolves when the membership row says it, whoever has written that.
   * @param alone  how, where no other node does it.
   * @throws as `announceHere`.
   */
  async announce(
    announcement: Announcement,
    alone = (): Promise<void> => this.announceHere(announcement),
  ): Promise<void> {
    for (const other of this.#announceForAll()) {
      if (await this.#deps.announceAt(other, announcement)) return
    }
    await alone()
  }

  /** AN4. Whether all others of a crowd drain. */
  get allLeave(): boolean {
    const { self, view } = this.#deps
    const nodes = view.living()
    const stays = nodes.some(({ nodeId, state }) => state === 'ALIVE' && nodeId !== self)
    return nodes.length >= CROWD && !stays
  }

  /** By this node, also for others. @throws as `announce` of nodes.ts; may be repeated. */
  async announceHere(announcement: Announcement): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new GcsUnavailableError(
        `${String(WAITING_MAX)} announcements wait here already: write the membership row itself`,
      )
    }
    const { nodeId, epoch, state } = announcement
    this.#waiting.set(`${nodeId} ${String(epoch)} ${state}`, announcement)
    this.#next ??= this.#write()
    await this.#next
  }

  /** AN3. @returns whom to ask, in order; nobody when it is this node's to do. */
  #announceForAll(): NodeRow[] {
    const { self, view } = this.#deps
    const nodes = view.living()
    if (nodes.length < CROWD) return []
    const heard = nodes.filter(({ nodeId }) => !this.#deps.isSuspected(nodeId))
    const alive = heard.filter(({ state }) => state === 'ALIVE')
    const able = new Map((alive.length > 0 ? alive : heard).map((node) => [node.nodeId, node]))
    const order = rendezvous('announces', able.keys(), ASKED_MAX)
    const before = order.includes(self) ? order.slice(0, order.indexOf(self)) : order
    return before.flatMap((nodeId) => able.get(nodeId) ?? [])
  }

  /** AN1. */
  async #write(): Promise<void> {
    const { race, view } = this.#deps
    const { clock } = race
    await this.#last
    const waitMs = view.size >= CROWD ? this.#beganMs + EVERY_MS - clock.monotonicMs() : 0
    if (waitMs > 0) await delay(clock, waitMs)
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#next = undefined
    this.#beganMs = clock.monotonicMs()
    const told = announce(race, all)
    this.#last = Promise.allSettled([told])
    await told
  }
}
