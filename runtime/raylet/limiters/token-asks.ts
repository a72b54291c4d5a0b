// What a node of several does for its limiters: it tells the keeper, one node of the cluster, how
// many tokens its processes want and hold, and shares what it is given among them.
//   changed ──► askTokens (two at most on their way) ──► answer: granted ──► tokensGranted
// Invariants:
//   LA1. Tokens come by answers alone, each taken once. One that came too late, or from who is
//        keeper no more, is void: the next request says so by not naming it among the open ones.
//   LA2. A request that had no answer is followed by another, which tells what that one told.
//        Tokens that came back unused are told until an answer says that they were heard.
//   LA3. While tokens are wanted here, a request is on its way or about to be repeated; while none
//        are and nothing has changed, there is none.
import { toWire } from '../../common/error-wire.ts'
import type { WorkerId } from '../../common/ids.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { notify, wakeBy, type Turn } from '../turn.ts'
import type { LimitersOfNodes, TokenAsks } from './limiters-of-nodes.ts'
import {
  givenOf,
  numbersOf,
  type LimiterCalls,
  type GivenNumbers,
  type ToldLimiter,
} from './limiter-messages.ts'
import { otherNumbers, share, sumOf, type Limiter } from './token-bucket.ts'

/** The keeper may be keeping the answer to one: what changes meanwhile is told by another. */
const OPEN_MAX = 2
/** The keeper could not be asked, or does not know yet that it is the one. */
const RETRY_MS = 500

/** Other numbers of tokens are wanted or out here, or other processes use it. */
export function limiterChanged(
  turn: Turn,
  { limiters }: ClusterState,
  limiter: Limiter,
  unusedCount = 0,
): void {
  const { asks } = limiters
  const { name } = limiter
  if (limiter.users.size === 0) turn.state.limiters.delete(name) // none of its tokens is out
  noteUnused(asks, name, unusedCount)
  note(asks, name, limiter)
  asks.isUrgent = true
  ask(turn, limiters)
}

/** Nobody had wanted them for long. */
export function limitersForgotten({ limiters }: ClusterState, names: readonly string[]): void {
  for (const name of names) limiters.asks.changed.add(name)
}

/** The new one knows nothing of this node (LA1). */
export function keeperChanged(
  turn: Turn,
  limiters: LimitersOfNodes,
  keeper: string | undefined,
): void {
  const { asks } = limiters
  limiters.keeper = keeper
  asks.open.clear()
  asks.changed.clear()
  asks.unused = []
  asks.retryAtMs = -Infinity
  askAnew(turn, limiters, turn.state.limiters.size > 0)
}

/** The keeper waits for word of this node. */
export function toldToTell(turn: Turn, { limiters }: ClusterState, from: string): void {
  if (from === limiters.keeper) askAnew(turn, limiters, true) // else it asks again
}

/** On a tick. */
export function tendAsks(turn: Turn, { limiters }: ClusterState): void {
  ask(turn, limiters)
}

/** LA1, LA2. @param reply  undefined: there was no answer. */
export function tokensGiven(
  turn: Turn,
  { limiters }: ClusterState,
  { sequence, isFull, unused }: LimiterCalls['askTokens'][0],
  reply: LimiterCalls['askTokens'][1] | undefined,
): void {
  const { asks } = limiters
  const told = asks.open.get(sequence)
  if (told === undefined) return
  asks.open.delete(sequence)
  if (reply === undefined || reply.tellAnew) {
    for (const name of told) asks.changed.add(name)
    asks.isFull ||= isFull || reply !== undefined
    asks.isUrgent = true
    asks.retryAtMs = turn.nowMs + RETRY_MS
  } else {
    const heard = unused.at(-1)?.id ?? 0
    asks.unused = asks.unused.filter(({ id }) => id > heard)
    for (const { name, count } of reply.granted) take(turn, asks, name, count)
    for (const numbers of reply.refused) refused(turn, asks, numbers)
  }
  ask(turn, limiters)
}

export function tellGranted(
  turn: Turn,
  name: string,
  granted: ReadonlyMap<WorkerId, number>,
): void {
  for (const [client, count] of granted) notify(turn, client, 'tokensGranted', { name, count })
}

function askAnew(turn: Turn, limiters: LimitersOfNodes, isUrgent: boolean): void {
  limiters.asks.isFull = true
  limiters.asks.isUrgent = isUrgent
  ask(turn, limiters)
}

/** LA3. */
function ask(turn: Turn, limiters: LimitersOfNodes): void {
  const { asks, keeper } = limiters
  const isDue = asks.isUrgent || (asks.wanting.size > 0 && asks.open.size === 0)
  if (keeper === undefined || !isDue || asks.open.size >= OPEN_MAX) return
  if (turn.nowMs < asks.retryAtMs) {
    wakeBy(turn, asks.retryAtMs)
    return
  }
  const { isFull } = asks
  const names = isFull ? [...turn.state.limiters.keys()] : namesToTell(asks)
  const open = [...asks.open.keys()]
  const sequence = ++asks.sequence
  const told = names.map((name) => toldOf(turn, name))
  asks.open.set(sequence, names)
  asks.changed.clear()
  asks.isFull = false
  asks.isUrgent = false
  const { epoch } = turn.state.config
  const message = { epoch, sequence, open, isFull, limiters: told, unused: asks.unused }
  turn.effects.push({ kind: 'askTokens', nodeId: keeper, type: 'askTokens', message })
}

/** LA2: also what open requests have told, which may be lost. */
function namesToTell(asks: TokenAsks): string[] {
  const names = new Set(asks.changed)
  for (const told of asks.open.values()) for (const name of told) names.add(name)
  return [...names]
}

function toldOf({ state }: Turn, name: string): ToldLimiter {
  const limiter = state.limiters.get(name)
  if (limiter === undefined) return { name, wanted: 0, held: 0, isUsed: false }
  const counts = { wanted: sumOf(limiter.wanted), held: sumOf(limiter.out) }
  return { ...givenOf(name, limiter), ...counts, isUsed: true }
}

function take(turn: Turn, asks: TokenAsks, name: string, count: number): void {
  const limiter = turn.state.limiters.get(name)
  const granted = limiter === undefined ? new Map<WorkerId, number>() : share(limiter, count)
  tellGranted(turn, name, granted)
  const left = count - sumOf(granted)
  noteUnused(asks, name, left)
  if (left > 0) asks.isUrgent = true
  note(asks, name, limiter)
}

/** It is asked for again with whatever numbers its next user here gives. */
function refused(turn: Turn, asks: TokenAsks, given: GivenNumbers): void {
  const { name } = given
  const limiter = turn.state.limiters.get(name)
  if (limiter === undefined) return
  const error = toWire(otherNumbers(name, numbersOf(given)))
  for (const client of limiter.wanted.keys()) notify(turn, client, 'tokensRefused', { name, error })
  limiter.wanted.clear()
  if (limiter.out.size === 0) turn.state.limiters.delete(name)
  note(asks, name, limiter)
}

function note(asks: TokenAsks, name: string, limiter: Limiter | undefined): void {
  asks.changed.add(name)
  if ((limiter?.wanted.size ?? 0) > 0) asks.wanting.add(name)
  else asks.wanting.delete(name)
}

function noteUnused(asks: TokenAsks, name: string, count: number): void {
  if (count > 0) asks.unused = [...asks.unused, { id: ++asks.unusedId, name, count }]
}
