// Watching the nodes that rendezvous hashing gives to this one: events in, effects out. Pure.
//
//   alive --1--> observed --2--> agreed --3--> dead
//     ^_____________|______________|
//              4            4
//   1. its connection was refused, or no pong came for GONE_MS: who watches it is told, and its row
//      is read
//   2. another node says so too, or the others that watch it are suspected as well
//   3. its row stood still for a whole lease: the write that says DEAD is conditional on that
//   4. it answers a ping, or another epoch of it registers
// Invariants:
//   WA1. Nobody is declared dead by pings alone: a node that only cannot be reached keeps writing
//        its row (F14-F16). Nor by one node's word, unless the rows of all others that watch it
//        stood still for a lease too: nobody is left to agree (F10).
//   WA2. Every message may be lost: suspicion is repeated every PING_MS, and forgotten when it is
//        not.
//   WA3. Who suspects a node looks beside it too, at BESIDE_MAX nodes at most: at those that watch
//        it and those that it watches, which are others' to watch. The dead may watch each other.
//   WA4. What was seen of a node that does not answer outlives every change of the plan: who has
//        read its row goes on with it, and tells those who watch it now since when it stands. Each
//        would need a lease of its own otherwise, and the next death or arrival changes it again.
//   WA5. Of those who watch it and agree the first that can read declares it dead; another one only
//        when that one has let a read pass: they would all race for the membership row.
import { LeaseObserver } from './lease.ts'
import { GONE_MS, OBSERVE_EVERY_MS, PING_MS, SUSPICION_MS, AGREEING } from './lease-terms.ts'
import { WatchPlan } from './watch-plan.ts'

/** Each costs a ping a second. */
const BESIDE_MAX = 16

/** A living node as a watcher needs it. */
export interface Watched {
  readonly nodeId: string
  readonly epoch: number
}

export type WatcherEvent =
  | { readonly kind: 'tick' }
  | { readonly kind: 'members'; readonly members: readonly Watched[] }
  | { readonly kind: 'pong'; readonly nodeId: string; readonly epoch: number }
  /** Its machine says that nobody listens there. */
  | { readonly kind: 'refused'; readonly nodeId: string; readonly epoch: number }
  | { readonly kind: 'suspicion'; readonly from: string; readonly suspicion: Suspicion }
  | {
      readonly kind: 'read'
      readonly nodeId: string
      readonly epoch: number
      readonly heartbeat: number
      readonly askedAtMs: number
    }
  | { readonly kind: 'readFailed'; readonly nodeId: string }

export interface Suspicion extends Watched {
  readonly gone: boolean
  /** The one who says so cannot read the GCS now, so another one must observe. */
  readonly blind: boolean
  /** The heartbeat at which its row has stood still for a lease, as the one who says so has read. */
  readonly stoodAt: number | undefined
}

export type WatcherEffect =
  | { readonly kind: 'ping'; readonly nodeId: string; readonly epoch: number }
  | { readonly kind: 'tell'; readonly to: readonly string[]; readonly suspicion: Suspicion }
  /** Read its row, with a consistent read. */
  | { readonly kind: 'read'; readonly nodeId: string }
  | {
      readonly kind: 'declareDead'
      readonly nodeId: string
      readonly epoch: number
      readonly heartbeat: number
    }
  /** Nothing new is to be leased there, or may be again. */
  | { readonly kind: 'suspected'; readonly nodeId: string; readonly suspected: boolean }

interface Said extends Pick<Suspicion, 'blind' | 'stoodAt'> {
  readonly atMs: number
}

interface Target {
  readonly epoch: number
  /** In their order; this one is among them, or looks beside (WA3). */
  readonly watchers: readonly string[]
  pongAtMs: number
  pingAtMs: number
  gone: boolean
  /** What each other watcher that says it is gone last said, and when. */
  readonly said: Map<string, Said>
  blind: boolean
  observer: LeaseObserver | undefined
  readAtMs: number
  reading: boolean
  /** So many reads, up to the last, have shown that its row stood still for a lease. */
  stoodReads: number
  /** The heartbeat at which this node itself saw it do so. */
  stoodAt: number | undefined
}

export class Watcher {
  readonly #self: string
  readonly #targets = new Map<string, Target>()
  /** WA3. */
  readonly #beside = new Map<string, Target>()
  #members: readonly Watched[] = []
  readonly #plan = new WatchPlan()
  #watchersOf: ReadonlyMap<string, readonly string[]> = new Map()

  /** @param self  this node's id. */
  constructor(self: string) {
    this.#self = self
  }

  /** @param nowMs  monotonic */
  step(event: WatcherEvent, nowMs: number): WatcherEffect[] {
    switch (event.kind) {
      case 'members':
        return this.#membersChanged(event.members, nowMs)
      case 'tick':
        this.#lookBeside(nowMs)
        return this.#all().flatMap(([nodeId, target]) => this.#tick(nodeId, target, nowMs))
      case 'readFailed': {
        const target = this.#find(event.nodeId)
        if (target === undefined) return []
        target.reading = false
        target.blind = true
        target.stoodReads = 0
        target.stoodAt = undefined
        target.observer?.failed()
        return []
      }
      case 'suspicion':
        return this.#suspicion(event.from, event.suspicion, nowMs)
      case 'pong':
      case 'refused':
      case 'read': {
        const target = this.#find(event.nodeId)
        if (target === undefined || target.epoch !== event.epoch) {
          if (target !== undefined && event.kind === 'read') target.reading = false
          return []
        }
        if (event.kind === 'pong') return this.#pong(event.nodeId, target, nowMs)
        if (event.kind === 'refused') return this.#gone(event.nodeId, target)
        return this.#read(target, event, nowMs)
      }
    }
  }

  /** The ids of the nodes that this one watches. */
  get watched(): readonly string[] {
    return [...this.#targets.keys()]
  }

  #membersChanged(members: readonly Watched[], nowMs: number): WatcherEffect[] {
    const plan = this.#plan.update(members.map(({ nodeId }) => nodeId))
    this.#members = members
    this.#watchersOf = plan
    const effects: WatcherEffect[] = []
    const mine = new Set<string>()
    for (const { nodeId, epoch } of members) {
      const watchers = plan.get(nodeId) ?? []
      if (!watchers.includes(this.#self)) continue
      mine.add(nodeId)
      const isSuspected = this.#targets.get(nodeId)?.gone ?? false
      const target = carriedOn(this.#find(nodeId), epoch, watchers, nowMs)
      this.#targets.set(nodeId, target)
      if (target.gone !== isSuspected) {
        effects.push({ kind: 'suspected', nodeId, suspected: target.gone })
      }
    }
    for (const [nodeId, target] of this.#targets) {
      if (mine.has(nodeId)) continue
      this.#targets.delete(nodeId)
      if (!target.gone) continue
      this.#beside.set(nodeId, target) // WA4
      effects.push({ kind: 'suspected', nodeId, suspected: false })
    }
    return effects
  }

  #find(nodeId: string): Target | undefined {
    return this.#targets.get(nodeId) ?? this.#beside.get(nodeId)
  }

  /** WA3. */
  #lookBeside(nowMs: number): void {
    const gone = new Set<string>()
    for (const [nodeId, target] of this.#all()) if (target.gone) gone.add(nodeId)
    const before = new Map(this.#beside)
    this.#beside.clear()
    if (gone.size === 0) return
    const watching = new Set([...gone].flatMap((id) => this.#watchersOf.get(id) ?? []))
    const others = this.#members.filter(
      ({ nodeId }) => nodeId !== this.#self && !this.#targets.has(nodeId),
    )
    const observed = others.filter(({ nodeId }) => gone.has(nodeId)) // WA4
    for (const { nodeId, epoch } of [...observed, ...others]) {
      if (this.#beside.size >= BESIDE_MAX) return
      const watchers = this.#watchersOf.get(nodeId) ?? []
      const isNear = watching.has(nodeId) || watchers.some((id) => gone.has(id))
      if (this.#beside.has(nodeId) || (!isNear && !gone.has(nodeId))) continue
      this.#beside.set(nodeId, carriedOn(before.get(nodeId), epoch, watchers, nowMs))
    }
  }

  #all(): (readonly [string, Target])[] {
    return [...this.#targets, ...this.#beside]
  }

  #tick(nodeId: string, target: Target, nowMs: number): WatcherEffect[] {
    const effects: WatcherEffect[] = []
    const { epoch } = target
    if (nowMs - target.pingAtMs >= PING_MS) {
      target.pingAtMs = nowMs
      effects.push({ kind: 'ping', nodeId, epoch })
      if (target.gone) effects.push(...this.#tell(nodeId, target, true))
    }
    if (!target.gone && nowMs - target.pongAtMs >= GONE_MS) {
      effects.push(...this.#gone(nodeId, target))
    }
    if (target.gone && !target.reading && nowMs - target.readAtMs >= OBSERVE_EVERY_MS) {
      target.observer ??= new LeaseObserver()
      target.reading = true
      target.readAtMs = nowMs
      effects.push({ kind: 'read', nodeId })
    }
    return effects
  }

  #pong(nodeId: string, target: Target, nowMs: number): WatcherEffect[] {
    target.pongAtMs = nowMs
    if (!target.gone) return []
    target.gone = false
    target.observer = undefined
    target.stoodReads = 0
    target.stoodAt = undefined
    return [...this.#suspect(nodeId, false), ...this.#tell(nodeId, target, false)]
  }

  #gone(nodeId: string, target: Target): WatcherEffect[] {
    if (target.gone) return []
    target.gone = true
    return [...this.#suspect(nodeId, true), ...this.#tell(nodeId, target, true)]
  }

  #suspect(nodeId: string, suspected: boolean): WatcherEffect[] {
    return this.#targets.has(nodeId) ? [{ kind: 'suspected', nodeId, suspected }] : []
  }

  #tell(nodeId: string, target: Target, gone: boolean): WatcherEffect[] {
    const to = target.watchers.filter((id) => id !== this.#self)
    const { epoch, blind, stoodAt } = target
    return [{ kind: 'tell', to, suspicion: { nodeId, epoch, gone, blind, stoodAt } }]
  }

  #suspicion(from: string, suspicion: Suspicion, nowMs: number): WatcherEffect[] {
    const { nodeId, epoch, gone, blind, stoodAt } = suspicion
    const target = this.#targets.get(nodeId)
    if (target?.epoch !== epoch || !this.#watchersOf.has(from)) return []
    for (const [id, { atMs }] of target.said) {
      if (nowMs - atMs >= SUSPICION_MS) target.said.delete(id)
    }
    if (gone) target.said.set(from, { atMs: nowMs, blind, stoodAt })
    else target.said.delete(from)
    return []
  }

  /** WA1: the rows of all others that watch it stood still as well. */
  #isAlone({ watchers }: Target): boolean {
    return watchers.every((id) => id === this.#self || (this.#find(id)?.stoodReads ?? 0) > 0)
  }

  /** WA1: another agrees. WA5: it is this one's to say. */
  #mayDeclare(target: Target, nowMs: number): boolean {
    const { watchers, stoodReads } = target
    if (!watchers.includes(this.#self)) return false
    const others = saidLately(target, nowMs)
    const needed = Math.min(AGREEING, watchers.length)
    if (others.length + 1 < needed) return false
    const seeing = new Set(others.flatMap(([id, { blind }]) => (blind ? [] : [id])))
    const first = watchers.find((id) => id === this.#self || seeing.has(id))
    return first === this.#self || stoodReads > 1
  }

  #read(
    target: Target,
    { nodeId, heartbeat, askedAtMs }: Extract<WatcherEvent, { kind: 'read' }>,
    nowMs: number,
  ): WatcherEffect[] {
    target.reading = false
    target.blind = false
    const isSeen = target.observer?.read(heartbeat, askedAtMs, nowMs) === true
    target.stoodAt = isSeen ? heartbeat : undefined
    const stood = isSeen || saidLately(target, nowMs).some(([, said]) => said.stoodAt === heartbeat)
    target.stoodReads = stood ? target.stoodReads + 1 : 0
    if (!stood || !target.gone) return []
    if (!this.#mayDeclare(target, nowMs) && !this.#isAlone(target)) return []
    target.observer = undefined // a write that fails needs a lease again, or another's word (WA4)
    return [{ kind: 'declareDead', nodeId, epoch: target.epoch, heartbeat }]
  }
}

const saidLately = ({ said }: Target, nowMs: number): [string, Said][] =>
  [...said].filter(([, { atMs }]) => nowMs - atMs < SUSPICION_MS)

/** What was seen of that epoch of it counts, whoever watches it now. */
const carriedOn = (
  known: Target | undefined,
  epoch: number,
  watchers: readonly string[],
  nowMs: number,
): Target => (known?.epoch === epoch ? { ...known, watchers } : newTarget(epoch, watchers, nowMs))

const newTarget = (epoch: number, watchers: readonly string[], nowMs: number): Target => ({
  epoch,
  watchers,
  pongAtMs: nowMs,
  pingAtMs: -Infinity,
  gone: false,
  said: new Map(),
  blind: false,
  observer: undefined,
  readAtMs: -Infinity,
  reading: false,
  stoodReads: 0,
  stoodAt: undefined,
})
