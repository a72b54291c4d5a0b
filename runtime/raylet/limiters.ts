// Limiters of one node: how many of its owners' tasks run at once, how many start per second, by
// name. Each node of a cluster counts for itself.
// A token is the right to start one task. Owners ask for as many as they could use and give each
// back when its task has ended.
//   takeTokens ──► queue, first come first served, shared evenly between owners
//                    │ while concurrency and rate allow
//                    └──► tokensGranted ──► returnTokens
// Invariants:
//   Q1. Tokens out never exceed concurrency.
//   Q2. In any second at most perSecond + its burst (a fiftieth of it, at least 1) are granted.
//   Q3. The tokens of an owner that is gone come back with it.
//   Q4. The numbers of a name stand as long as one of its users lives; others are refused.
//   Q5. Of more than LIMITERS_MAX names the older are forgotten, unless a token of theirs is wanted
//       or out, or their rate remembers one: two looks at each new name keep up with what comes.
import { toWire } from '../common/error-wire.ts'
import { UsageError } from '../common/errors.ts'
import type { WorkerId } from '../common/ids.ts'
import { LIMITERS_MAX } from '../common/limits.ts'
import type { Limiter } from './state.ts'
import { notify, wakeBy, type EventOf, type Turn } from './turn.ts'

const BURST_SHARE = 0.02

export function takeTokens(turn: Turn, event: EventOf<'takeTokens'>): void {
  const { name, client, count } = event
  const { concurrency = Infinity, perSecond = Infinity } = event
  const limiter = limiterOf(turn, { name, concurrency, perSecond })
  if (limiter.concurrency !== concurrency || limiter.perSecond !== perSecond) {
    notify(turn, client, 'tokensRefused', { name, error: toWire(otherNumbers(limiter)) })
    return
  }
  limiter.users.add(client)
  if (limiter.wanted.size === 0) limiter.waitingSinceMs = turn.nowMs
  limiter.wanted.set(client, (limiter.wanted.get(client) ?? 0) + count)
  grantTokens(turn, limiter)
}

export function returnTokens(turn: Turn, event: EventOf<'returnTokens'>): void {
  const limiter = turn.state.limiters.get(event.name)
  const out = limiter?.out.get(event.client)
  if (limiter === undefined || out === undefined) return
  const count = Math.min(out, event.count)
  setCount(limiter.out, event.client, out - count)
  if (event.unused) limiter.ready = Math.min(burstOf(limiter), limiter.ready + count)
  grantTokens(turn, limiter)
}

/** Q3. */
export function forgetTokensOf(turn: Turn, client: WorkerId): void {
  for (const limiter of turn.state.limiters.values()) {
    limiter.wanted.delete(client)
    limiter.users.delete(client)
    if (limiter.out.delete(client)) grantTokens(turn, limiter)
  }
}

/** On a tick: rates have refilled; limiters that nobody uses are forgotten. */
export function tendLimiters(turn: Turn): void {
  for (const limiter of turn.state.limiters.values()) {
    grantTokens(turn, limiter)
    if (limiter.users.size > 0) continue
    if (limiter.ready >= burstOf(limiter)) turn.state.limiters.delete(limiter.name)
    else wakeBy(turn, turn.nowMs + 1000)
  }
}

function limiterOf(
  { state, nowMs }: Turn,
  spec: Pick<Limiter, 'name' | 'concurrency' | 'perSecond'>,
): Limiter {
  const known = state.limiters.get(spec.name)
  if (known !== undefined) return known
  const limiter: Limiter = {
    ...spec,
    ready: Infinity,
    readyAtMs: nowMs,
    waitingSinceMs: nowMs,
    wanted: new Map(),
    users: new Set(),
    out: new Map(),
  }
  limiter.ready = burstOf(limiter)
  if (state.limiters.size >= LIMITERS_MAX) forgetOldest(state.limiters, nowMs)
  state.limiters.set(spec.name, limiter)
  return limiter
}

/** Q5. One that is in use goes to the end of the line. */
function forgetOldest(limiters: Map<string, Limiter>, nowMs: number): void {
  for (const limiter of [...limiters.values().take(2)]) {
    limiters.delete(limiter.name)
    refill(limiter, nowMs)
    const isQuiet = limiter.wanted.size === 0 && limiter.out.size === 0
    if (!isQuiet || limiter.ready < burstOf(limiter)) limiters.set(limiter.name, limiter)
  }
}

function otherNumbers({ name, concurrency, perSecond }: Limiter): UsageError {
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

/** One token at a time to each owner in turn, so that nobody takes all. */
function grantTokens(turn: Turn, limiter: Limiter): void {
  refill(limiter, turn.nowMs)
  const granted = new Map<WorkerId, number>()
  let room = Math.min(limiter.concurrency - outCount(limiter), Math.floor(limiter.ready))
  while (room > 0 && limiter.wanted.size > 0) {
    const share = Math.max(1, Math.floor(room / limiter.wanted.size))
    for (const [client, wanted] of [...limiter.wanted]) {
      if (room <= 0) break
      const count = Math.min(wanted, share, room)
      // Whoever got some goes to the end of the line.
      limiter.wanted.delete(client)
      if (wanted > count) limiter.wanted.set(client, wanted - count)
      granted.set(client, (granted.get(client) ?? 0) + count)
      room -= count
    }
  }
  for (const [client, count] of granted) {
    limiter.ready -= count
    limiter.out.set(client, (limiter.out.get(client) ?? 0) + count)
    notify(turn, client, 'tokensGranted', { name: limiter.name, count })
  }
  if (limiter.wanted.size === 0 && limiter.perSecond === Infinity) return
  if (limiter.ready < 1) wakeBy(turn, turn.nowMs + ((1 - limiter.ready) * 1000) / limiter.perSecond)
}

/** Q2. */
function refill(limiter: Limiter, nowMs: number): void {
  if (limiter.perSecond === Infinity) limiter.ready = Infinity
  else {
    const refilled = limiter.ready + ((nowMs - limiter.readyAtMs) * limiter.perSecond) / 1000
    limiter.ready = Math.min(burstOf(limiter), refilled)
  }
  limiter.readyAtMs = nowMs
}

const burstOf = (limiter: Limiter): number =>
  limiter.perSecond === Infinity ? Infinity : Math.max(1, limiter.perSecond * BURST_SHARE)

function outCount(limiter: Limiter): number {
  let sum = 0
  for (const count of limiter.out.values()) sum += count
  return sum
}

function setCount(counts: Map<WorkerId, number>, client: WorkerId, count: number): void {
  if (count > 0) counts.set(client, count)
  else counts.delete(client)
}
