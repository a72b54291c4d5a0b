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

export class Ledger {
  readonly tasks = new Map<string, TaskEntry>()
  readonly actors = new Map<string, ActorEntry>()
  readonly limits: LimitsLedger
  readonly #world: World
  readonly #mayOverlap: ((earlier: SimProcess) => boolean) | undefined
  #stamp = 0

  /**
   * @param mayOverlap  where there are several nodes: whether a life of an actor may still live
   *   when the next one acts. There, connections to living actors break: calls may be repeated.
   */
  constructor(world: World, mayOverlap?: (earlier: SimProcess) => boolean) {
    this.#world = world
    this.#mayOverlap = mayOverlap
    this.limits = new LimitsLedger({
      nowMs: () => world.scheduler.nowMs,
      broken: (what) => {
        this.#broken(what)
      },
      isOver: mayOverlap,
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

  /** A call takes effect in an actor. */
  effect(key: string, effect: Effect, atMostOnce: boolean): void {
    const actor = this.actors.get(key) ?? { key, atMostOnce, effects: [] }
    this.actors.set(key, actor)
    const { process, caller, seq } = effect
    this.#note(`actor ${key} takes ${caller}#${String(seq)}`)
    for (const before of actor.effects) {
      const isOther = before.process !== process
      if (isOther && before.process.alive && this.#mayOverlap?.(before.process) !== true) {
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
    if (isRepeat && this.#mayOverlap !== undefined) return
    const later = ofCaller.find((before) => before.process === process && before.seq >= seq)
    if (later === undefined) return
    this.#broken(`I6: ${key} took ${caller}#${String(seq)} after #${String(later.seq)}`)
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
