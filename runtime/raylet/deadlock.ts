// Finds rings of tasks that wait for each other. A ring cannot end by itself: the wait that closed
// it is told, and fails with DeadlockError.
//   A wait is stuck when a task it waits for is stuck. A task is stuck when
//     - it is itself waiting, and all of its waits are stuck; or
//     - it is a call of an actor all of whose places are taken by calls that are stuck, so that
//       it can never start; or
//     - it needs a token of a limiter all of whose tokens are held by tasks that are stuck.
// The stuck ones are what is left after all that can go on were taken away, again and again (the
// greatest fixed point). Waits for things that still run are never stuck.
// Invariants:
//   L1. A ring is reported once, to its newest wait, after it stood for DEADLOCK_SETTLE_MS.
//   L2. Work is bounded: a look at all waits at most once per DEADLOCK_SETTLE_MS.
import { DEADLOCK_SETTLE_MS } from '../common/limits.ts'
import type { ActorId, TaskId, WorkerId } from '../common/ids.ts'
import type { Waiting } from '../protocol/messages.ts'
import { addWait, removeWait } from './holdings.ts'
import type { RayletState, Wait } from './state.ts'
import { notify, wakeBy, type RayletEvent, type Turn } from './turn.ts'

type EventOf<K extends RayletEvent['kind']> = Extract<RayletEvent, { kind: K }>

const keyOf = (client: WorkerId, waitId: number): string => `${client}:${String(waitId)}`

export function blocked(turn: Turn, event: EventOf<'blocked'>): void {
  const { state } = turn
  const { client, waitId, actorId, name, on } = event
  if (!state.clients.has(client) || state.waits.has(keyOf(client, waitId))) return
  const lease = state.workers.get(client)?.lease
  const wait: Wait = {
    client,
    waitId,
    taskId: event.taskId,
    actorId,
    limit: event.limit,
    name,
    on,
    sinceMs: turn.nowMs,
    lease,
    reported: false,
  }
  state.waits.set(keyOf(client, waitId), wait)
  if (lease !== undefined) addWait(state, lease, wait)
  scheduleCheck(turn)
}

export function unblocked(turn: Turn, client: WorkerId, waitId: number): void {
  const wait = turn.state.waits.get(keyOf(client, waitId))
  if (wait !== undefined) removeWaitOf(turn.state, wait)
}

/** The process is gone, and its waits with it. */
export function removeWaitsOf(turn: Turn, client: WorkerId): void {
  for (const wait of turn.state.waits.values()) {
    if (wait.client === client) removeWaitOf(turn.state, wait)
  }
}

function removeWaitOf(state: RayletState, wait: Wait): void {
  state.waits.delete(keyOf(wait.client, wait.waitId))
  if (wait.lease !== undefined) removeWait(state, wait.lease, wait)
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
  const ring = findRing(state)
  if (ring === undefined) return
  const newest = ring.reduce((a, b) => (b.sinceMs >= a.sinceMs ? b : a))
  if (newest.sinceMs + DEADLOCK_SETTLE_MS <= nowMs) {
    newest.reported = true
    const chain = chainFrom(ring, newest)
    notify(turn, newest.client, 'deadlock', { waitId: newest.waitId, chain })
  }
  scheduleCheck(turn)
}

/** The names around the ring, from the wait that closed it back to itself. */
function chainFrom(ring: readonly Wait[], newest: Wait): string[] {
  const at = ring.indexOf(newest)
  const ordered = [...ring.slice(at), ...ring.slice(0, at), newest]
  return ordered.map((wait) => wait.name)
}

interface Graph {
  readonly byTask: ReadonlyMap<TaskId, readonly Wait[]>
  readonly byActor: ReadonlyMap<ActorId, readonly Wait[]>
  readonly byLimiter: ReadonlyMap<string, readonly Wait[]>
  readonly placesOf: (actorId: ActorId) => number
  readonly tokensOf: (limiter: string) => number
  readonly stuck: Set<Wait>
}

/** One ring among all waits, or undefined: pure, exported for its tests. */
function findRing(state: RayletState): Wait[] | undefined {
  const waits = [...state.waits.values()].filter((wait) => !wait.reported)
  const graph: Graph = {
    byTask: Map.groupBy(waits, (wait) => wait.taskId),
    byActor: groupBy(waits, (wait) => wait.actorId),
    byLimiter: groupBy(waits, (wait) => wait.limit),
    placesOf: (actorId) => placesOf(state, actorId),
    tokensOf: (name) => state.limiters.get(name)?.concurrency ?? Infinity,
    stuck: new Set(waits),
  }
  takeAwayLoose(graph)
  const newest = [...graph.stuck].reduce<Wait | undefined>(
    (a, b) => (a === undefined || b.sinceMs >= a.sinceMs ? b : a),
    undefined,
  )
  return newest && walk(graph, newest)
}

/** Waits by what they have in common; those that have no such thing are left out. */
function groupBy<K>(
  waits: readonly Wait[],
  keyOfWait: (wait: Wait) => K | undefined,
): Map<K, Wait[]> {
  const groups = Map.groupBy(waits, keyOfWait)
  groups.delete(undefined)
  return groups as Map<K, Wait[]>
}

/** How many calls the actor may run at once; while it is constructed, that is its one task. */
function placesOf(state: RayletState, actorId: ActorId): number {
  const actor = state.actors.get(actorId)
  if (actor === undefined) return Infinity
  if (actor.phase !== 'ALIVE') return 1
  const { maxConcurrency, concurrencyGroups } = actor.spec
  return Object.values(concurrencyGroups).reduce((sum, places) => sum + places, maxConcurrency)
}

function takeAwayLoose(graph: Graph): void {
  let changed = true
  while (changed) {
    changed = false
    for (const wait of graph.stuck) {
      if (wait.on.some((target) => blockersOf(graph, target) !== undefined)) continue
      graph.stuck.delete(wait)
      changed = true
    }
  }
}

/** The stuck waits that keep this task from ending, or undefined when it can go on. */
function blockersOf(graph: Graph, target: Waiting): readonly Wait[] | undefined {
  const own = graph.byTask.get(target.taskId)
  if (own !== undefined) return own.every((wait) => graph.stuck.has(wait)) ? own : undefined
  const { actorId, limit } = target
  if (actorId !== undefined) {
    return stuckHolders(graph, graph.byActor.get(actorId), graph.placesOf(actorId))
  }
  if (limit === undefined) return undefined
  return stuckHolders(graph, graph.byLimiter.get(limit), graph.tokensOf(limit))
}

/** Those who hold all places, when none of them can go on. */
function stuckHolders(
  graph: Graph,
  holding: readonly Wait[] = [],
  places: number,
): readonly Wait[] | undefined {
  const running = new Set(holding.map((wait) => wait.taskId))
  if (running.size < places) return undefined
  return holding.every((wait) => graph.stuck.has(wait)) ? holding : undefined
}

/** Follow stuck waits until one comes again: what lies between is the ring. */
function walk(graph: Graph, start: Wait): Wait[] | undefined {
  const path: Wait[] = []
  let at: Wait | undefined = start
  while (at !== undefined) {
    const seen = path.indexOf(at)
    if (seen >= 0) return path.slice(seen)
    path.push(at)
    at = nextOf(graph, at)
  }
  return undefined
}

function nextOf(graph: Graph, wait: Wait): Wait | undefined {
  for (const target of wait.on) {
    const next = blockersOf(graph, target)?.[0]
    if (next !== undefined) return next
  }
  return undefined
}
