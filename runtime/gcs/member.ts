// One node's membership, run: its arrival, heartbeats and drain, and the view of the others. The
// decisions are those of lease.ts and membership-view.ts; this brings them time, the GCS and the
// other nodes. What is read is membership-reader.ts's, what is told announcer.ts's, and the watch
// over others membership-watch.ts's.
// Invariants:
//   MB1. One heartbeat is on its way at a time, and counts from before it was sent. The row that
//        the node registered with is the first of them; the next waits for nothing else, not
//        for its arrival to be announced either.
//   MB2. While the GCS is away nothing ends: the node goes on with what it has, and grants nothing
//       new once its lease is over (fail-static). Only the GCS's own word expels it, and never a
//       read that may be stale.
//   MB3. The node's own row says DRAINING before the membership row does: who reads the one because
//       of the other finds it there.
//   MB4. Of two nodes that have arrived one knows the other: each has read the membership row, as
//        it stands (S1), after that named it, and learned of all whom it names.
import type { Clock, Timer } from '../common/clock.ts'
import { NodeDiedError, VirgaError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import { Announcer, CROWD } from './announcer.ts'
import { HEARTBEAT_MS, PING_MS } from './lease-terms.ts'
import { OwnLease } from './lease.ts'
import type { Announcement } from './membership-changes.ts'
import { MembershipReader } from './membership-reader.ts'
import { MembershipView, type Seen } from './membership-view.ts'
import { MembershipWatch, type WatchedPeers } from './membership-watch.ts'
import {
  announce,
  declareDead,
  writeHeartbeat,
  type NodeCommand,
  type NodeDeath,
  type NodeRow,
  type Registration,
} from './nodes.ts'
import { Paced } from './paced.ts'
import type { Storage } from './storage.ts'
import type { Suspicion } from './watcher.ts'

const TICK_MS = PING_MS / 4
/** Of a crowd that joins each waits so long at most, which is less than it waits for an answer. */
const TELL_EVERY_MS_MAX = 500

/** The other nodes, as far as membership needs them. */
export interface MemberPeers extends WatchedPeers {
  /** Arrives as `announce` at the other's. @returns whether it was announced there. */
  announce(node: NodeRow, announcement: Announcement): Promise<boolean>
  /** What the other's Membership has `seen`; undefined when it does not answer. */
  seen(node: NodeRow): Promise<Seen | undefined>
}

/** What the raylet is told. */
export interface MemberEvents {
  /** Answer with `performed` when it is done. Told again with every heartbeat until then. */
  command(command: NodeCommand): void
  /** The living nodes, this one and drained ones included. */
  members(nodes: readonly NodeRow[]): void
  /** Lease nothing there for now, or do again. */
  suspected(nodeId: string, suspected: boolean): void
  /** This node is no member any more: end it. */
  expelled(error: NodeDiedError): void
  /** A heartbeat was written: leases may be granted here until then, in monotonic time (GL1). */
  confirmed(untilMs: number): void
}

export interface MembershipDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly peers: MemberPeers
  readonly events: MemberEvents
}

export class Membership {
  readonly #deps: MembershipDeps
  readonly #member: Registration
  readonly #lease = new OwnLease()
  readonly #view: MembershipView
  readonly #watch: MembershipWatch
  readonly #announcer: Announcer
  readonly #reader: MembershipReader
  /** Tells the raylet of the members, which takes a pass over all. */
  readonly #telling: Paced
  readonly #timers = new Set<Timer>()
  #heartbeat = 0
  #doneCommand = 0
  #state: 'ALIVE' | 'DRAINING' = 'ALIVE'
  #drainAnnounced = false
  /** The others were told that it is there. */
  #isTold = false
  #hasArrived = false
  #beating: Promise<void> = Promise.resolve()
  #stopped = false

  /** @param member  as registerNode gave it. */
  constructor(deps: MembershipDeps, member: Registration) {
    this.#deps = deps
    this.#member = member
    this.#view = new MembershipView(deps.random)
    this.#telling = new Paced(deps.clock, () => {
      const members = this.#view.living()
      this.#watch.step({ kind: 'members', members })
      deps.events.members(members)
    })
    const { peers, events } = deps
    const view = this.#view
    const race = { ...deps, isOver: () => this.#stopped }
    const isSuspected = (nodeId: string): boolean => this.#watch.isSuspected(nodeId)
    this.#announcer = new Announcer({
      ...{ self: member.nodeId, race, view, isSuspected },
      announceAt: (node, announcement) => peers.announce(node, announcement),
    })
    this.#watch = new MembershipWatch(
      {
        ...{ log: deps.log, peers, view, race, announcer: this.#announcer },
        attempt: (what, work) => this.#attempt(what, work),
        suspected: (nodeId, suspected) => {
          events.suspected(nodeId, suspected)
        },
        changed: () => {
          this.#members()
        },
      },
      member.nodeId,
    )
    const seenAt = (node: NodeRow): Promise<Seen | undefined> => peers.seen(node)
    this.#reader = new MembershipReader({ ...deps, view, isSuspected, seenAt }, member)
  }

  /**
   * Tells the others that this node is there and looks at them, writing heartbeats meanwhile; then
   * all by the clock until `stop`.
   * @throws GcsUnavailableError, GcsWriteUnknownError when it could not be told: it is stopped.
   */
  async start(): Promise<void> {
    const { sentAtMs } = this.#member
    this.#confirmed(sentAtMs)
    const isDue = this.#deps.clock.monotonicMs() - sentAtMs >= HEARTBEAT_MS
    // What follows may take longer than a lease (MB1). Nodes that were started together must not
    // all write at once.
    this.#every(HEARTBEAT_MS, () => this.#beat())
    await Promise.all([isDue ? this.#beat() : undefined, this.#arrive()])
    if (this.#stopped) return
    this.#every(HEARTBEAT_MS, () => this.look())
    this.#every(TICK_MS, () => {
      this.#watch.step({ kind: 'tick' })
      return Promise.resolve()
    })
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#telling.stop()
  }

  get life(): Pick<NodeRow, 'nodeId' | 'epoch'> {
    return this.#member
  }

  /** Whether new leases may be granted here. */
  get mayLease(): boolean {
    const { clock } = this.#deps
    return !this.#stopped && this.#state === 'ALIVE' && this.#lease.isValid(clock.monotonicMs())
  }

  /** MB4. */
  get hasArrived(): boolean {
    return this.#hasArrived
  }

  /** A command has been carried out, with all before it. */
  performed({ sequence, kind }: NodeCommand): void {
    this.#doneCommand = Math.max(this.#doneCommand, sequence)
    if (kind === 'drain') this.drain()
  }

  /** Others are to lease nothing here any more. May be repeated. */
  drain(): void {
    if (this.#state === 'DRAINING') return
    this.#state = 'DRAINING'
    void this.#beat()
  }

  /**
   * Everything of this node has ended, and it is stopped: nobody need wait for its lease.
   * @param limitMs  after which nothing more is begun.
   * @throws GcsUnavailableError, GcsWriteUnknownError: others find it dead in their own time.
   */
  async sayGoodbye(reason: string, limitMs: number): Promise<void> {
    const { clock } = this.#deps
    const endMs = clock.monotonicMs() + limitMs
    await this.#beating
    const { nodeId, epoch } = this.#member
    const heartbeat = this.#heartbeat
    const race = { ...this.#deps, isOver: () => clock.monotonicMs() >= endMs }
    await declareDead(race, { nodeId, epoch, heartbeat, reason }, async (told) => {
      if (this.#announcer.allLeave) return // AN4
      await this.#announcer.announce(told, () => announce(race, [told]))
    })
  }

  /** What is known of all nodes, the dead included. */
  nodes(): readonly NodeRow[] {
    return this.#view.nodes()
  }

  /** For a node that has fallen behind. */
  seen(): Seen {
    return this.#view.seen()
  }

  /** A peer's suspicion. */
  heard(from: string, suspicion: Suspicion): void {
    this.#watch.step({ kind: 'suspicion', from, suspicion })
  }

  /** Another node has something to tell (AN3). @throws as `Announcer.announceHere`. */
  async announce(announcement: Announcement): Promise<void> {
    await this.#announcer.announceHere(announcement)
  }

  /** Who has just joined says so itself: nobody need read its row. Resolves when it is a member
   *  for the raylet too. */
  async met(node: NodeRow): Promise<void> {
    const known = this.#view.get(node.nodeId)
    if (this.#stopped) return
    if (known !== undefined && known.epoch >= node.epoch) return await this.#telling.served()
    this.#view.learn(node)
    await this.#telling.soon(Math.min(this.#view.size, TELL_EVERY_MS_MAX))
  }

  /** Another node has read, or written, that this one is dead, which is final (ND2). Told to the
   *  raylet also where it is in the view already: a look that has not ended, or a newcomer that
   *  waits to be told, may have put it there. */
  heardDead({ nodeId, epoch, death }: NodeDeath): void {
    const known = this.#view.get(nodeId)
    if (known === undefined) return
    this.#view.learn({ ...known, epoch, state: 'DEAD', death }) // MV2: not of an older epoch
    this.#members()
  }

  /** This node is dead (MB2). */
  expel(error: NodeDiedError): void {
    if (this.#stopped) return
    this.stop()
    this.#deps.events.expelled(error)
  }

  /** In a crowd it looks first, for whom to tell (AN3). Who joins meanwhile is seen after that. */
  async #arrive(): Promise<void> {
    if (this.#member.version >= CROWD) await this.look()
    try {
      await this.#announcer.announce(this.#announcement('ALIVE'))
    } catch (error) {
      if (this.#stopped) return // it is told of elsewhere
      this.stop()
      throw error
    }
    this.#isTold = true
    await this.look()
  }

  /** MB3. Again with each heartbeat until it is done; no heartbeat waits for it. */
  #announceDrain(): void {
    if (this.#drainAnnounced) return
    this.#drainAnnounced = true
    this.#run('announcing the drain', async () => {
      try {
        await this.#announcer.announce(this.#announcement('DRAINING'))
      } catch (error) {
        this.#drainAnnounced = false
        throw error
      }
    })
  }

  #announcement(state: Announcement['state']): Announcement {
    const { nodeId, epoch } = this.#member
    return { nodeId, epoch, state }
  }

  #confirmed(sentAtMs: number): void {
    this.#lease.confirmed(sentAtMs)
    this.#deps.events.confirmed(this.#lease.untilMs)
  }

  /** MB1. */
  #beat(): Promise<void> {
    return (this.#beating = this.#beating.then(() => this.#sendHeartbeat()))
  }

  async #sendHeartbeat(): Promise<void> {
    if (this.#stopped) return
    const { clock, storage, events } = this.#deps
    const sentAtMs = clock.monotonicMs()
    this.#heartbeat += 1
    const beat = { heartbeat: this.#heartbeat, doneCommand: this.#doneCommand, state: this.#state }
    const commands = await this.#attempt('a heartbeat', () =>
      writeHeartbeat(storage, this.#member, beat),
    )
    if (commands === undefined || this.#stopped) return
    this.#confirmed(sentAtMs)
    if (beat.state === 'DRAINING') this.#announceDrain()
    for (const command of commands) events.command(command)
  }

  /** Reads who the others are, as it does by itself with every heartbeat. */
  async look(): Promise<void> {
    await this.#attempt('reading the membership', async () => {
      const isArriving = this.#isTold && !this.#hasArrived
      const { isNew, isCurrent, untold } = await this.#reader.read({ stale: !isArriving })
      if (isArriving && isCurrent) this.#hasArrived = true
      if (isNew || isArriving) this.#members()
      for (const node of untold) void this.#watch.announceDeath(node, 0)
    })
  }

  #members(): void {
    if (!this.#stopped) this.#telling.now()
  }

  #run(what: string, work: () => Promise<void>): void {
    void this.#attempt(what, work)
  }

  /** MB2. @returns undefined when the GCS did not answer. */
  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof NodeDiedError) {
        this.expel(error)
        return undefined
      }
      if (!(error instanceof VirgaError)) throw error
      this.#deps.log.info('the GCS did not do it', { what, error: error.message })
      return undefined
    }
  }

  /** Waits `periodMs` after each run, give or take an eighth. */
  #every(periodMs: number, run: () => Promise<void>): void {
    const { clock, random } = this.#deps
    const timer = clock.after(periodMs * (0.875 + random.next() / 4), () => {
      this.#timers.delete(timer)
      void run().finally(() => {
        if (!this.#stopped) this.#every(periodMs, run)
      })
    })
    this.#timers.add(timer)
  }
}
