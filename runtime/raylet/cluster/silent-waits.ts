// What is looked for in vain, as somebody does not answer who may have it, or decides about it: a
// get waits for that as long as it takes (RV2, AL1, AL4), and `virga status --why` says so.
// Invariants:
//   SI1. An object is told of from a second after somebody did not answer, until all have or nobody
//        has looked for it for FORGET_MS: who looks asks again sooner, and the GCS too.
//   SI2. Who is silent is so since it did first not answer, however many objects wait for it; the
//        GCS since it has last answered anything.
import type { Clock } from '../../common/clock.ts'
import { toHex, type ObjectId } from '../../common/ids.ts'
import { isOutage } from '../../gcs/attempts.ts'
import type { StateRow } from '../../protocol/messages.ts'
import { listed } from '../listed-nodes.ts'

/** SI1. Longer than a call to the GCS that fails, and the pause after it. */
const FORGET_MS = 30_000
const FORGET_EVERY_MS = 1_000
const TELL_AFTER_MS = 1_000
/** Further ones are not told of: these are enough to see what is wrong. */
const OBJECTS_MAX = 10_000

/** Who does not answer. `nodeIds`: in hex, the nodes, or the one of the owner. */
export interface Silent {
  readonly who: 'nodes' | 'owner' | 'gcs'
  readonly nodeIds: readonly string[]
}

interface Sought {
  readonly objectId: ObjectId
  readonly sinceMs: number
  on: Silent
  askedAtMs: number
}

const GCS: Silent = { who: 'gcs', nodeIds: [] }

export class SilentWaits {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** By who is waited for and what. */
  readonly #sought = new Map<string, Sought>()
  /** SI2. By who, while an object waits for it. */
  readonly #sinceMs = new Map<string, number>()
  #forgotAtMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** @param askedAtMs  when those were asked who have not answered. */
  unanswered(on: Silent, objectIds: Iterable<ObjectId>, askedAtMs: number): void {
    this.#forget()
    for (const who of namesOf(on)) if (!this.#sinceMs.has(who)) this.#sinceMs.set(who, askedAtMs)
    for (const objectId of objectIds) {
      const key = `${on.who} ${objectId}`
      const known = this.#sought.get(key)
      if (known !== undefined) Object.assign(known, { on, askedAtMs })
      else if (this.#sought.size < OBJECTS_MAX) {
        this.#sought.set(key, { on, objectId, sinceMs: askedAtMs, askedAtMs })
      }
    }
  }

  /** All who were asked have. */
  answered(who: Silent['who'], objectIds: Iterable<ObjectId>): void {
    if (this.#sought.size === 0) return
    for (const objectId of objectIds) this.#sought.delete(`${who} ${objectId}`)
    if (this.#sought.size === 0) this.#sinceMs.clear()
  }

  /** @param ask  asks the GCS about these. */
  async ofGcs<T>(objectIds: readonly ObjectId[], ask: () => Promise<T>): Promise<T> {
    this.unanswered(GCS, objectIds, this.#clock.monotonicMs())
    try {
      const answer = await ask()
      for (const who of namesOf(GCS)) this.#sinceMs.set(who, this.#clock.monotonicMs()) // SI2
      this.answered('gcs', objectIds)
      return answer
    } catch (error) {
      if (!isOutage(error)) this.answered('gcs', objectIds)
      throw error
    }
  }

  /** Those that wait for the same are one row. */
  rows(): StateRow[] {
    this.#forget(0)
    const nowMs = this.#clock.monotonicMs()
    const told = [...this.#sought.values()].filter(
      ({ sinceMs }) => nowMs - sinceMs >= TELL_AFTER_MS,
    )
    return [...Map.groupBy(told, ({ on }) => namesOf(on).join()).values()].flatMap((alike) => {
      const [first] = alike
      if (first === undefined) return []
      const waitedMs = Math.round(nowMs - Math.min(...alike.map(({ sinceMs }) => sinceMs)))
      const what = { kind: 'object', name: toHex(first.objectId), count: alike.length, waitedMs }
      return [{ ...what, demand: {}, why: this.#why(first.on, nowMs) }]
    })
  }

  #why(on: Silent, nowMs: number): string {
    const { who, nodeIds } = on
    const sinceMs = Math.min(...namesOf(on).map((each) => this.#sinceMs.get(each) ?? nowMs))
    const silent = `silent for ${String(Math.round((nowMs - sinceMs) / 1000))} s`
    if (who === 'gcs') return `a get of it waits for the GCS, ${silent}`
    const nodes = `${listed(nodeIds)}, ${silent}, not known to be dead`
    return who === 'nodes'
      ? `a get of it waits for ${nodes}`
      : `a get of it waits for its owner on ${nodes}`
  }

  /** SI1. */
  #forget(everyMs = FORGET_EVERY_MS): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#forgotAtMs < everyMs) return
    this.#forgotAtMs = nowMs
    for (const [key, { askedAtMs }] of this.#sought) {
      if (nowMs - askedAtMs >= FORGET_MS) this.#sought.delete(key)
    }
    const awaited = new Set([...this.#sought.values()].flatMap(({ on }) => namesOf(on)))
    for (const who of this.#sinceMs.keys()) if (!awaited.has(who)) this.#sinceMs.delete(who)
  }
}

/** Each of the nodes, or the owner, or the GCS. */
const namesOf = ({ who, nodeIds }: Silent): readonly string[] =>
  who === 'gcs' ? [who] : nodeIds.map((nodeId) => `${who} ${nodeId}`)
