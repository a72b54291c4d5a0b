// Watching the nodes that rendezvous hashing gives to this one: events in, effects out. Pure.
//
//   alive --1--> suspected --2--> observed --3--> dead
//     ^_____________|________________|
//              4            4
//   1. its connection was refused, or no pong came for GONE_MS: the other watchers are told
//   2. two of its three watchers say so, and this one comes first of those who do; or the others
//      that watch it are suspected as well
//   3. its row stood still for a whole lease: the write that says DEAD is conditional on that
//   4. it answers a ping, or another epoch of it registers
// Invariants:
//   WA1. Nobody is declared dead by pings alone: a node that only cannot be reached keeps writing
//       its row (F14-F16). Nor by one watcher's word, unless the rows of all others that watch it
//       stood still for a lease too: nobody is left to agree (F10).
//   WA2. Every message may be lost: suspicion is repeated every PING_MS, and forgotten when it is
//       not.
//   WA3. Who suspects a node looks beside it too, at BESIDE_MAX nodes at most: at those that watch
//       it and those that it watches, which are others' to watch. The dead may watch each other.
import { LeaseObserver } from './lease.ts'
import {
  GONE_MS,
  OBSERVE_EVERY_MS,
  PING_MS,
  SUSPICION_MS,
  WATCHERS_AGREEING,
} from './lease-terms.ts'
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

interface Target {
  readonly epoch: number
  /** In their order; this one is among them, or looks beside (WA3). */
  readonly watchers: readonly string[]
  pongAtMs: number
  pingAtMs: number
  gone: boolean
  /** What each other watcher that says it is gone last said, and when. */
  readonly said: Map<string, { readonly atMs: number; readonly blind: boolean }>
  blind: boolean
  observer: LeaseObserver | undefined
  readAtMs: number
  reading: boolean
  /** The last read showed that its row has stood still for a lease. */
  stood: boolean
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
        target.stood = false
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
      this.#beside.set(nodeId, target) // WA3: what was seen of it counts on
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
    for (const { nodeId, epoch } of this.#members) {
      if (this.#beside.size >= BESIDE_MAX) return
      if (nodeId === this.#self || this.#targets.has(nodeId)) continue
      const watchers = this.#watchersOf.get(nodeId) ?? []
      if (!watching.has(nodeId) && !watchers.some((id) => gone.has(id))) continue
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
    if (!this.#isObserver(target, nowMs) && !this.#isWitness(nodeId, target)) {
      target.observer = undefined
      target.stood = false
    } else if (!target.reading && nowMs - target.readAtMs >= OBSERVE_EVERY_MS) {
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
    target.stood = false
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
    if (!this.#targets.has(nodeId)) return []
    const to = target.watchers.filter((id) => id !== this.#self)
    const { epoch, blind } = target
    return [{ kind: 'tell', to, suspicion: { nodeId, epoch, gone, blind } }]
  }

  #suspicion(from: string, suspicion: Suspicion, nowMs: number): WatcherEffect[] {
    const { nodeId, epoch, gone, blind } = suspicion
    const target = this.#targets.get(nodeId)
    if (target === undefined || target.epoch !== epoch || !target.watchers.includes(from)) return []
    if (gone) target.said.set(from, { atMs: nowMs, blind })
    else target.said.delete(from)
    return []
  }

  /** Arrow 2: of those who say that it is gone, the first observes; or who sees none of them. */
  #isObserver(target: Target, nowMs: number): boolean {
    return target.gone && (this.#isFirst(target, nowMs) || this.#isAlone(target, 'gone'))
  }

  /** WA1: it watches a node that this one alone is left to look at. */
  #isWitness(nodeId: string, { gone }: Target): boolean {
    if (!gone) return false
    return this.#all().some(
      ([, target]) =>
        target.gone && target.watchers.includes(nodeId) && this.#isAlone(target, 'gone'),
    )
  }

  /** WA1: what `as` says of the target is so of all others that watch it. */
  #isAlone({ watchers }: Target, as: 'gone' | 'stood'): boolean {
    return watchers.every((id) => id === this.#self || this.#find(id)?.[as] === true)
  }

  #isFirst(target: Target, nowMs: number): boolean {
    const saidOf = (id: string): { atMs: number; blind: boolean } | undefined =>
      id === this.#self ? { atMs: nowMs, blind: false } : target.said.get(id)
    const agreeing = target.watchers.filter(
      (id) => nowMs - (saidOf(id)?.atMs ?? -Infinity) < SUSPICION_MS,
    )
    const needed = Math.min(WATCHERS_AGREEING, target.watchers.length)
    if (agreeing.length < needed) return false
    return agreeing.find((id) => saidOf(id)?.blind === false) === this.#self
  }

  #read(
    target: Target,
    { nodeId, heartbeat, askedAtMs }: Extract<WatcherEvent, { kind: 'read' }>,
    nowMs: number,
  ): WatcherEffect[] {
    target.reading = false
    target.blind = false
    target.stood = target.observer?.read(heartbeat, askedAtMs, nowMs) === true
    if (!target.stood || !this.#isObserver(target, nowMs)) return []
    if (!this.#isFirst(target, nowMs) && !this.#isAlone(target, 'stood')) return []
    target.observer = undefined // a write that fails needs a whole lease again
    return [{ kind: 'declareDead', nodeId, epoch: target.epoch, heartbeat }]
  }
}

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
  stood: false,
})
