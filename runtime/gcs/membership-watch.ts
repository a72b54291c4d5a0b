// The watch over other nodes, run: what watcher.ts decides is pinged, told, read and declared here.
// Invariants: those of watcher.ts; and of member.ts MB2, which `attempt` keeps.
import { delay } from '../common/clock.ts'
import type { Log } from '../common/log.ts'
import type { Announcer } from './announcer.ts'
import { HEARTBEAT_MS } from './lease-terms.ts'
import type { MembershipView } from './membership-view.ts'
import { deathOf, declareDead, readNode, type Death, type NodeRow } from './nodes.ts'
import type { RaceDeps } from './until-won.ts'
import { Watcher, type Suspicion, type WatcherEvent } from './watcher.ts'

export interface WatchedPeers {
  /** REFUSED: its machine says that nobody listens. SILENT: no answer within a second. */
  ping(node: NodeRow): Promise<'PONG' | 'REFUSED' | 'SILENT'>
  /** May be lost. Arrives as `heard` at the other's Membership. */
  tell(node: NodeRow, suspicion: Suspicion): void
}

export interface MembershipWatchDeps {
  readonly log: Log
  readonly peers: WatchedPeers
  readonly view: MembershipView
  /** For decisions that it takes as long as it is a member. */
  readonly race: Required<RaceDeps>
  readonly announcer: Pick<Announcer, 'announce'>
  /** @returns undefined when the GCS did not answer. */
  attempt<T>(this: void, what: string, work: () => Promise<T>): Promise<T | undefined>
  suspected(this: void, nodeId: string, suspected: boolean): void
  /** A row that was read says something new of who the members are. */
  changed(this: void): void
}

export class MembershipWatch {
  readonly #deps: MembershipWatchDeps
  readonly #self: string
  readonly #watcher: Watcher
  readonly #suspected = new Set<string>()

  /** @param self  the node that watches. */
  constructor(deps: MembershipWatchDeps, self: string) {
    this.#deps = deps
    this.#self = self
    this.#watcher = new Watcher(self)
  }

  isSuspected(nodeId: string): boolean {
    return this.#suspected.has(nodeId)
  }

  step(event: WatcherEvent): void {
    const { peers, view, race, suspected } = this.#deps
    if (race.isOver()) return
    for (const effect of this.#watcher.step(event, race.clock.monotonicMs())) {
      switch (effect.kind) {
        case 'ping': {
          const node = view.get(effect.nodeId)
          if (node !== undefined) this.#run('a ping', () => this.#ping(node))
          break
        }
        case 'tell':
          for (const id of effect.to) {
            const node = view.get(id)
            if (node !== undefined) peers.tell(node, effect.suspicion)
          }
          break
        case 'read':
          this.#run('reading a row', () => this.#observe(effect.nodeId))
          break
        case 'declareDead':
          this.#run('declaring a node dead', () => this.#declare(effect))
          break
        case 'suspected':
          if (effect.suspected) this.#suspected.add(effect.nodeId)
          else this.#suspected.delete(effect.nodeId)
          suspected(effect.nodeId, effect.suspected)
          break
      }
    }
  }

  /**
   * Whoever wrote that may not have come to tell it; if it has, that costs one read. Until it is
   * told: who has read it once does not read it again.
   * @param pauseMs  at most, ahead of the first attempt.
   */
  async announceDeath(dead: NodeRow, pauseMs: number): Promise<void> {
    const { race, attempt, announcer } = this.#deps
    const announced = async (): Promise<boolean> => {
      await announcer.announce(deathOf(dead))
      return true
    }
    for (let waitMs = pauseMs; ; waitMs = HEARTBEAT_MS) {
      if (waitMs > 0) await delay(race.clock, race.random.next() * waitMs)
      if (race.isOver() || (await attempt('announcing a death', announced))) return
    }
  }

  async #ping(node: NodeRow): Promise<void> {
    const { nodeId, epoch } = node
    const answer = await this.#deps.peers.ping(node)
    if (answer === 'PONG') this.step({ kind: 'pong', nodeId, epoch })
    if (answer === 'REFUSED') this.step({ kind: 'refused', nodeId, epoch })
  }

  async #observe(nodeId: string): Promise<void> {
    const { view, race, changed } = this.#deps
    const { storage, clock } = race
    const askedAtMs = clock.monotonicMs()
    try {
      const node = await readNode(storage, nodeId)
      if (node === undefined) return this.step({ kind: 'readFailed', nodeId })
      if (node.state === 'DEAD') void this.announceDeath(node, HEARTBEAT_MS)
      const isAnew = view.get(nodeId)?.epoch !== node.epoch // and nobody came to tell it
      view.learn(node)
      const { epoch, heartbeat } = node
      this.step({ kind: 'read', nodeId, epoch, heartbeat, askedAtMs })
      if (node.state === 'DEAD' || isAnew) changed()
    } catch (error) {
      this.step({ kind: 'readFailed', nodeId })
      throw error
    }
  }

  async #declare({ nodeId, epoch, heartbeat }: Omit<Death, 'reason'>): Promise<void> {
    const { log, race, view, announcer, changed } = this.#deps
    const reason = `node ${this.#self} saw its lease expire`
    const death = { nodeId, epoch, heartbeat, reason }
    const isDead = await declareDead(race, death, (told) => announcer.announce(told))
    log.warn('a node was declared dead', { nodeId, epoch, isDead })
    const node = await readNode(race.storage, nodeId)
    if (node !== undefined) view.learn(node)
    changed()
  }

  #run(what: string, work: () => Promise<void>): void {
    void this.#deps.attempt(what, work)
  }
}
