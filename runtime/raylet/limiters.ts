// Limiters as the processes of one node use them: how many of their tasks run at once, how many
// start per second, by name. Where there are several nodes, tokens come from the keeper, which
// counts for all: limiters/token-asks.ts.
// A token is the right to start one task. Owners ask for as many as they could use and give each
// back when its task has ended.
//   takeTokens ──► queue, first come first served, shared evenly between owners
//                    │ while concurrency and rate allow (token-bucket.ts), or the keeper gives
//                    └──► tokensGranted ──► returnTokens
// Invariants:
//   Q1. The tokens of an owner that is gone come back once what ran with them has ended as well:
//       with it, where it held none, else OWNERLESS_MS later.
//   Q2. The numbers of a name stand as long as one of its users lives, or holds tokens; others are
//       refused.
import { toWire } from '../common/error-wire.ts'
import type { WorkerId } from '../common/ids.ts'
import { limitersForgotten, limiterChanged, tellGranted } from './limiters/token-asks.ts'
import {
  addLimiter,
  grant,
  hasNumbers,
  isForgettable,
  otherNumbers,
  putBack,
  readyByMs,
  setCount,
  type Limiter,
} from './limiters/token-bucket.ts'
import { notify, wakeBy, type EventOf, type Turn } from './turn.ts'

/** Longer than a task outlives its owner: 0.5 s where it does not hear that it is to end
 *  (orphans.ts), 1 s where its raylet stands still (execute.ts). */
const OWNERLESS_MS = 2_000

export function takeTokens(turn: Turn, event: EventOf<'takeTokens'>): void {
  const { name, client, count } = event
  const { concurrency = Infinity, perSecond = Infinity } = event
  const asked = { name, concurrency, perSecond }
  const limiter = turn.state.limiters.get(name) ?? add(turn, asked)
  if (!hasNumbers(limiter, asked)) {
    notify(turn, client, 'tokensRefused', { name, error: toWire(otherNumbers(name, limiter)) })
    return
  }
  limiter.users.add(client)
  if (limiter.wanted.size === 0) limiter.waitingSinceMs = turn.nowMs
  limiter.wanted.set(client, (limiter.wanted.get(client) ?? 0) + count)
  changed(turn, limiter, 0)
}

export function returnTokens(turn: Turn, event: EventOf<'returnTokens'>): void {
  const limiter = turn.state.limiters.get(event.name)
  const out = limiter?.out.get(event.client)
  if (limiter === undefined || out === undefined) return
  const count = Math.min(out, event.count)
  setCount(limiter.out, event.client, out - count)
  changed(turn, limiter, event.unused ? count : 0)
}

/** Q1. */
export function tokenOwnerGone(turn: Turn, client: WorkerId): void {
  const { limiters, ownerless } = turn.state
  for (const limiter of limiters.values()) {
    if (!limiter.users.has(client)) continue
    limiter.wanted.delete(client)
    const isLimited = limiter.concurrency !== Infinity
    if (isLimited && limiter.out.has(client)) ownerless.set(client, turn.nowMs + OWNERLESS_MS)
    else drop(limiter, client)
    changed(turn, limiter, 0)
  }
  if (ownerless.size > 0) wakeBy(turn, turn.nowMs + OWNERLESS_MS)
}

/** Q1. */
function returnOwnerless(turn: Turn): void {
  const { limiters, ownerless } = turn.state
  for (const [client, atMs] of ownerless) {
    if (turn.nowMs < atMs) {
      wakeBy(turn, atMs)
      return
    }
    ownerless.delete(client)
    for (const limiter of limiters.values()) {
      if (!limiter.users.has(client)) continue
      drop(limiter, client)
      changed(turn, limiter, 0)
    }
  }
}

function drop({ users, out }: Limiter, client: WorkerId): void {
  users.delete(client)
  out.delete(client)
}

/** On a tick: rates have refilled; limiters that nobody uses are forgotten. */
export function tendLimiters(turn: Turn): void {
  returnOwnerless(turn)
  if (turn.state.cluster !== undefined) return
  for (const limiter of turn.state.limiters.values()) {
    grantTokens(turn, limiter)
    if (isForgettable(limiter)) turn.state.limiters.delete(limiter.name)
    else if (limiter.users.size === 0) wakeBy(turn, turn.nowMs + 1000)
  }
}

function add(turn: Turn, spec: Parameters<typeof addLimiter>[1]): Limiter {
  const { limiters, cluster } = turn.state
  const { limiter, forgotten } = addLimiter(limiters, spec, turn.nowMs)
  if (cluster !== undefined) limitersForgotten(cluster, forgotten)
  return limiter
}

function changed(turn: Turn, limiter: Limiter, unusedCount: number): void {
  const { cluster } = turn.state
  if (cluster !== undefined) {
    limiterChanged(turn, cluster, limiter, unusedCount)
    return
  }
  putBack(limiter, unusedCount)
  grantTokens(turn, limiter)
}

function grantTokens(turn: Turn, limiter: Limiter): void {
  tellGranted(turn, limiter.name, grant(limiter, turn.nowMs))
  const readyMs = readyByMs(limiter, turn.nowMs)
  if (readyMs !== undefined) wakeBy(turn, readyMs)
}
