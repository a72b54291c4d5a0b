// What user code of a simulated run did, seen from outside of the system: which task began where
// and how often, which effects actors had, and in what order. The promises to users are judged on
// it, not on what the system says of itself.
import { LimitsLedger } from './limits-ledger.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

export interface TaskEntry {
  readonly key: string
  starts: number
  ends: number
  readonly atMostOnce: boolean
}

interface Effect {
  readonly process: SimProcess
  readonly caller: string
  readonly seq: number
}

interface ActorEntry {
  readonly key: string
  readonly atMostOnce: boolean
  readonly effects: Effect[]
}

/** Where there are several nodes. */
export interface OverNodes {
  /** Whether the node of that process counts as dead, though the process may live. */
  isOver(process: SimProcess): boolean
  /** How often connections between the two broke since then. */
  breaksSince(a: SimProcess, b: SimProcess, sinceMs: number): number
}

/** A call of an actor, as it is made. */
interface Call {
  readonly by: SimProcess
  readonly atMs: number
}

export class Ledger {
  readonly tasks = new Map<string, TaskEntry>()
  readonly actors = new Map<string, ActorEntry>()
  readonly limits: LimitsLedger
  readonly #world: Pick<World, 'scheduler'>
  readonly #overNodes: OverNodes | undefined
  readonly #calls = new Map<string, Call>()
  #stamp = 0

  /**
   * @param overNodes  where there are several nodes: there, a life of an actor may still live when
   *   the next one acts, and calls are repeated whose connection to a living actor broke.
   */
  constructor(world: Pick<World, 'scheduler'>, overNodes?: OverNodes) {
    this.#world = world
    this.#overNodes = overNodes
    this.limits = new LimitsLedger({
      nowMs: () => world.scheduler.nowMs,
      broken: (what) => {
        this.#broken(what)
      },
      isOver: overNodes && ((process) => overNodes.isOver(process)),
    })
  }

  /** Never the same twice. */
  nextStamp(): number {
    this.#stamp += 1
    return this.#stamp
  }

  began(key: string, atMostOnce: boolean, process: SimProcess): void {
    const entry = this.tasks.get(key) ?? { key, starts: 0, ends: 0, atMostOnce }
    this.tasks.set(key, entry)
    entry.starts += 1
    this.#note(`task ${key} begins in ${process.name}, ${String(entry.starts)}`)
    if (atMostOnce && entry.starts > 1) this.#broken(`I2: ${key} must not run twice and did`)
  }

  ended(key: string): void {
    const entry = this.tasks.get(key)
    if (entry !== undefined) entry.ends += 1
    this.#note(`task ${key} ends`)
  }

  /** Where there are several nodes: who makes that call, now. */
  called(caller: string, seq: number, by: SimProcess): void {
    this.#calls.set(callText(caller, seq), { by, atMs: this.#world.scheduler.nowMs })
  }

  /** A call takes effect in an actor. */
  effect(key: string, effect: Effect, atMostOnce: boolean): void {
    const actor = this.actors.get(key) ?? { key, atMostOnce, effects: [] }
    this.actors.set(key, actor)
    const { process, caller, seq } = effect
    this.#note(`actor ${key} takes ${caller}#${String(seq)}`)
    for (const before of actor.effects) {
      const isOther = before.process !== process
      if (isOther && before.process.alive && this.#overNodes?.isOver(before.process) !== true) {
        this.#broken(`I6: two incarnations of ${key} live: ${before.process.name}, ${process.name}`)
      }
    }
    this.#checkOrder(actor, effect)
    actor.effects.push(effect)
  }

  #checkOrder({ key, atMostOnce, effects }: ActorEntry, { process, caller, seq }: Effect): void {
    const ofCaller = effects.filter((before) => before.caller === caller)
    const isRepeat = ofCaller.some((before) => before.seq === seq)
    if (atMostOnce && isRepeat) {
      this.#broken(`I6: ${key} took ${caller}#${String(seq)} twice, and may at most once`)
    }
    if (isRepeat && this.#overNodes !== undefined) {
      const before = ofCaller.filter((each) => each.process === process && each.seq === seq)
      const allowed = this.#repeatsAllowed(this.#overNodes, { process, caller, seq })
      if (before.length <= allowed) return
      this.#broken(`I6: ${key} took ${caller}#${String(seq)} again, and no connection had broken`)
      return
    }
    const later = ofCaller.find((before) => before.process === process && before.seq >= seq)
    if (later === undefined) return
    this.#broken(`I6: ${key} took ${caller}#${String(seq)} after #${String(later.seq)}`)
  }

  /** One life takes a call once, and once more each time the way to it broke (D155). */
  #repeatsAllowed(overNodes: OverNodes, { process, caller, seq }: Effect): number {
    const call = this.#calls.get(callText(caller, seq))
    return call === undefined ? 0 : overNodes.breaksSince(call.by, process, call.atMs)
  }

  effectsOf(key: string, caller: string, seq: number): number {
    const effects = this.actors.get(key)?.effects ?? []
    return effects.filter((each) => each.caller === caller && each.seq === seq).length
  }

  #note(what: string): void {
    this.#world.scheduler.trace.add(this.#world.scheduler.nowMs, 'ledger', what)
  }

  #broken(what: string): void {
    this.#world.scheduler.fail(what)
  }
}

const callText = (caller: string, seq: number): string => `${caller}#${String(seq)}`
