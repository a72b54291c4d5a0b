// Tells tasks that wait for each other. A ring cannot end by itself: the wait that closed it fails
// with DeadlockError. What the graph is, and when a wait is stuck: wait-graph.ts. This looks at the
// waits of one node; rings that go over nodes: deadlocks/.
// What a wait is on may have changed since it was reported, so nobody is told before every wait of
// the ring was asked, after all of them had begun, and has said again what it is on:
//   blocked ──settle──► among the stuck: asked (checkWait) ──blocked again──► confirmed ──► told
// Invariants:
//   DL1. A ring is reported once, to its newest wait, after it stood for DEADLOCK_SETTLE_MS.
//   DL2. Work is bounded: a look at all waits at most once per DEADLOCK_SETTLE_MS.
//   DL3. No false alarm: all confirmations of a ring are newer than its newest wait.
import { DEADLOCK_SETTLE_MS } from '../common/limits.ts'
import type { WorkerId } from '../common/ids.ts'
import { stuckHere, waitBegan, waitConfirmed, waitEnded } from './deadlocks/told-waits.ts'
import { addWait, removeWait } from './holdings.ts'
import type { RayletState, Wait } from './state.ts'
import { notify, wakeBy, type EventOf, type Turn } from './turn.ts'
import { victimOf, WaitGraph, type Places } from './wait-graph.ts'

const keyOf = (client: WorkerId, waitId: number): string => `${client}:${String(waitId)}`

export function blocked(turn: Turn, event: EventOf<'blocked'>): void {
  const { state } = turn
  const { client, waitId, on, need } = event
  if (!state.clients.has(client)) return
  const known = state.waits.get(keyOf(client, waitId))
  if (known !== undefined) {
    known.on = on
    known.need = need ?? on.length
    known.confirmedAtMs = turn.nowMs
    if (state.cluster !== undefined) waitConfirmed(turn, state.cluster, known, event.check)
    return
  }
  const { taskId, actorId, group, name } = event
  const isDependency = event.isDependency === true
  const forReader = event.forReader === true
  const lease = isDependency || forReader ? undefined : state.workers.get(client)?.lease
  const wait: Wait = {
    client,
    waitId,
    taskId,
    actorId,
    group,
    limit: event.limit,
    name,
    isDependency,
    forReader,
    on,
    need: need ?? on.length,
    sinceMs: turn.nowMs,
    lease,
    confirmedAtMs: -Infinity,
    reported: false,
  }
  addToState(state, wait)
  if (lease !== undefined) addWait(state, lease, wait)
  scheduleCheck(turn)
  if (state.cluster !== undefined) waitBegan(turn, state.cluster)
}

export function unblocked(turn: Turn, client: WorkerId, waitId: number): void {
  const wait = turn.state.waits.get(keyOf(client, waitId))
  if (wait === undefined) return
  removeWaitOf(turn, wait)
  // What its task still waits for may be all it waits for now.
  if (turn.state.waits.size > 0) scheduleCheck(turn)
}

/** The process is gone, and its waits with it. */
export function removeWaitsOf(turn: Turn, client: WorkerId): void {
  for (const wait of turn.state.waits.values()) {
    if (wait.client === client) removeWaitOf(turn, wait)
  }
}

function addToState({ waits, unread }: RayletState, wait: Wait): void {
  waits.set(keyOf(wait.client, wait.waitId), wait)
  if (wait.forReader) unread.add(wait)
}

function removeWaitOf(turn: Turn, wait: Wait): void {
  const { state } = turn
  state.waits.delete(keyOf(wait.client, wait.waitId))
  state.unread.delete(wait)
  if (wait.lease !== undefined) removeWait(state, wait.lease, wait)
  if (state.cluster !== undefined) waitEnded(turn, state.cluster, wait)
}

function scheduleCheck(turn: Turn): void {
  if (turn.state.deadlockCheckAtMs !== undefined) return
  turn.state.deadlockCheckAtMs = turn.nowMs + DEADLOCK_SETTLE_MS
  wakeBy(turn, turn.state.deadlockCheckAtMs)
}

/** On a tick: report the rings that have stood long enough. */
export function reportDeadlocks(turn: Turn): void {
  const { state, nowMs } = turn
  const { deadlockCheckAtMs } = state
  if (deadlockCheckAtMs === undefined) return
  if (deadlockCheckAtMs > nowMs) {
    wakeBy(turn, deadlockCheckAtMs)
    return
  }
  state.deadlockCheckAtMs = undefined
  const places = placesIn(state)
  const settledByMs = nowMs - DEADLOCK_SETTLE_MS
  const waits = [...state.waits.values()].filter((wait) => !wait.reported)
  const settled = waits.filter((wait) => wait.sinceMs <= settledByMs)
  // Asked at the last look, when all of these had begun: DL3. How long ago that was says nothing:
  // looks may come late.
  const confirmed = settled.filter((wait) => wait.confirmedAtMs >= state.deadlockLookedAtMs)
  const ring = new WaitGraph(confirmed, places).ring()
  if (ring !== undefined) tell(turn, ring)
  const { stuck } = new WaitGraph(
    settled.filter((wait) => !wait.reported),
    places,
  )
  state.deadlockLookedAtMs = nowMs
  if (state.cluster !== undefined) stuckHere(turn, state.cluster, stuck)
  for (const { client, waitId } of stuck) notify(turn, client, 'checkWait', { waitId })
  if (stuck.size > 0 || settled.length < waits.length) scheduleCheck(turn)
}

function tell(turn: Turn, ring: readonly Wait[]): void {
  const told = victimOf(ring)
  if (told === undefined) return
  const { victim, chain } = told
  victim.reported = true
  notify(turn, victim.client, 'deadlock', { waitId: victim.waitId, chain })
}

function placesIn(state: RayletState): Places {
  const capacities = new Map<string, number>()
  const known = (place: string, capacity: number): string => {
    capacities.set(place, capacity)
    return place
  }
  return {
    ofActor: (actorId, group) => {
      const actor = state.actors.get(actorId)
      if (actor === undefined) return known(actorId, Infinity)
      if (actor.phase !== 'ALIVE') return known(actorId, 1) // its constructor
      const { concurrencyGroups, maxConcurrency } = actor.spec
      const places = group === undefined ? undefined : concurrencyGroups[group]
      if (places === undefined) return known(actorId, maxConcurrency)
      return known(`${actorId} ${String(group)}`, places)
    },
    ofLimiter: (name) =>
      known(`limiter ${name}`, state.limiters.get(name)?.concurrency ?? Infinity),
    capacity: (place) => capacities.get(place) ?? Infinity,
  }
}
