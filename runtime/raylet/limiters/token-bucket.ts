// How many tokens of a limiter may go out now, and to whom (pure). Its holders are the processes of
// one node or, where a keeper counts for all, the nodes.
// Invariants:
//   TB1. Tokens out never exceed concurrency.
//   TB2. In any second at most perSecond + its burst (a fiftieth of it, at least 1) are granted.
//   TB3. Of more than LIMITERS_MAX names the older are forgotten, unless a token of theirs is
//        wanted or out, or their rate remembers one: two looks at each new name keep up with what
//        comes.
import { UsageError } from '../../common/errors.ts'
import type { WorkerId } from '../../common/ids.ts'
import { LIMITERS_MAX } from '../../common/limits.ts'

const BURST_SHARE = 0.02
/** Of a token: what sums of shares may lack. A rest that comes within less time than clocks show
 *  was waited for by ticks without a pause. */
const ROUNDING = 1e-6

/** Infinity: no limit of that kind. */
export interface LimiterNumbers {
  readonly concurrency: number
  readonly perSecond: number
}

export interface Limiter<Holder extends string = WorkerId> extends LimiterNumbers {
  readonly name: string
  /** How many may start now by the rate; a share of one counts. */
  ready: number
  readyAtMs: number
  waitingSinceMs: number
  /** By holder, in the order of their turns. */
  readonly wanted: Map<Holder, number>
  /** Its numbers stand while one of them lives, or what it held is not back (Q2). */
  readonly users: Set<Holder>
  readonly out: Map<Holder, number>
}

/** With all of its burst ready; TB3. @returns the names that were forgotten for it. */
export function addLimiter<Holder extends string>(
  limiters: Map<string, Limiter<Holder>>,
  { name, concurrency, perSecond }: LimiterNumbers & { readonly name: string },
  nowMs: number,
): { readonly limiter: Limiter<Holder>; readonly forgotten: readonly string[] } {
  const limiter: Limiter<Holder> = {
    ...{ name, concurrency, perSecond },
    ...{ ready: Infinity, readyAtMs: nowMs, waitingSinceMs: nowMs },
    ...{ wanted: new Map(), users: new Set(), out: new Map() },
  }
  limiter.ready = burstOf(limiter)
  const forgotten = limiters.size >= LIMITERS_MAX ? forgetOldest(limiters, nowMs) : []
  limiters.set(name, limiter)
  return { limiter, forgotten }
}

/** TB3. One that is in use goes to the end of the line. */
function forgetOldest<Holder extends string>(
  limiters: Map<string, Limiter<Holder>>,
  nowMs: number,
): string[] {
  const forgotten: string[] = []
  for (const limiter of [...limiters.values().take(2)]) {
    limiters.delete(limiter.name)
    refill(limiter, nowMs)
    const isQuiet = limiter.wanted.size === 0 && limiter.out.size === 0
    if (!isQuiet || limiter.ready < burstOf(limiter)) limiters.set(limiter.name, limiter)
    else forgotten.push(limiter.name)
  }
  return forgotten
}

/** TB1, TB2. @returns how many each gets, now counted as out. */
export function grant<Holder extends string>(
  limiter: Limiter<Holder>,
  nowMs: number,
  canTake?: (holder: Holder) => boolean,
): ReadonlyMap<Holder, number> {
  refill(limiter, nowMs)
  const room = Math.min(limiter.concurrency - sumOf(limiter.out), wholeOf(limiter))
  return share(limiter, room, canTake)
}

/** So many go out, as far as they are wanted: one at a time to each in turn, so that nobody takes
 *  all. */
export function share<Holder extends string>(
  limiter: Limiter<Holder>,
  count: number,
  canTake?: (holder: Holder) => boolean,
): ReadonlyMap<Holder, number> {
  const granted = new Map<Holder, number>()
  let room = count
  while (room > 0 && limiter.wanted.size > 0) {
    const all = [...limiter.wanted]
    const takers = canTake === undefined ? all : all.filter(([holder]) => canTake(holder))
    if (takers.length === 0) break
    const each = Math.max(1, Math.floor(room / takers.length))
    for (const [holder, wanted] of takers) {
      if (room <= 0) break
      const got = Math.min(wanted, each, room)
      // Whoever got some goes to the end of the line.
      limiter.wanted.delete(holder)
      if (wanted > got) limiter.wanted.set(holder, wanted - got)
      granted.set(holder, (granted.get(holder) ?? 0) + got)
      room -= got
    }
  }
  for (const [holder, got] of granted) {
    limiter.ready -= got
    limiter.out.set(holder, (limiter.out.get(holder) ?? 0) + got)
  }
  return granted
}

/** Tokens that came back without having started anything. */
export function putBack(limiter: Limiter<string>, count: number): void {
  limiter.ready = Math.min(burstOf(limiter), limiter.ready + count)
}

/** When the rate allows the next one, if that is what somebody waits for; else undefined. */
export function readyByMs(limiter: Limiter<string>, nowMs: number): number | undefined {
  if (limiter.wanted.size === 0 && limiter.perSecond === Infinity) return undefined
  if (wholeOf(limiter) >= 1) return undefined
  return nowMs + ((1 - limiter.ready) * 1000) / limiter.perSecond
}

const wholeOf = ({ ready }: Pick<Limiter, 'ready'>): number => Math.floor(ready + ROUNDING)

/** Nobody uses it, and its rate remembers no start. */
export const isForgettable = (limiter: Limiter<string>): boolean =>
  limiter.users.size === 0 && limiter.out.size === 0 && limiter.ready >= burstOf(limiter)

export const hasNumbers = (limiter: LimiterNumbers, asked: LimiterNumbers): boolean =>
  limiter.concurrency === asked.concurrency && limiter.perSecond === asked.perSecond

export function otherNumbers(name: string, { concurrency, perSecond }: LimiterNumbers): UsageError {
  const numbers = [
    concurrency === Infinity ? '' : `concurrency ${String(concurrency)}`,
    perSecond === Infinity ? '' : `perSecond ${String(perSecond)}`,
  ].filter((text) => text !== '')
  return new UsageError(
    `limiter '${name}' is in use in this cluster with ${numbers.join(' and ')}: give it the same ` +
      'everywhere, or another name',
    { data: { name } },
  )
}

export function setCount<Key>(counts: Map<Key, number>, key: Key, count: number): void {
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

export function sumOf(counts: ReadonlyMap<unknown, number>): number {
  let sum = 0
  for (const count of counts.values()) sum += count
  return sum
}

/** TB2. */
function refill(limiter: Limiter<string>, nowMs: number): void {
  if (limiter.perSecond === Infinity) limiter.ready = Infinity
  else {
    const refilled = limiter.ready + ((nowMs - limiter.readyAtMs) * limiter.perSecond) / 1000
    limiter.ready = Math.min(burstOf(limiter), refilled)
  }
  limiter.readyAtMs = nowMs
}

export const burstOf = (limiter: LimiterNumbers): number =>
  limiter.perSecond === Infinity ? Infinity : Math.max(1, limiter.perSecond * BURST_SHARE)
