// Rings of waits that go over nodes, found by one node of the cluster, the detector: rendezvous
// hashing names it, so that all agree on it without asking. It puts together what all nodes tell of
// their long waits, and looks at it as deadlock.ts does at those of one node (wait-graph.ts). What
// it knows is old, so every wait that seems stuck is asked first, by its node:
//   told ──look──► stuck ──confirmWaits──► confirmed by all of the ring ──► its newest is told
// Invariants:
//   DT1. No false alarm: a round asks those alone that it knew of when it began, and a wait has one
//        number in its life. So all that confirm it were waiting, for what they say, at the moment
//        when it began, and a ring of them cannot end by itself. Words of another round are void.
//        What an actor had answered by then counts as answered (D122).
//   DT2. A ring is told to one wait, its newest. That is told again until its node says that it
//        ended, and that node fails it once (told-waits.ts).
//   DT3. Work is bounded: one look per DEADLOCK_SETTLE_MS and one round at a time, less often while
//        rounds come to nothing; nothing is done while nobody waits long.
// Source: Ho and Ramamoorthy, "Protocols for deadlock detection in distributed database systems"
// (1982), two phases; with waits that are numbered, which is what theirs lacks.
import { toHex } from '../../common/ids.ts'
import { DEADLOCK_SETTLE_MS, WAITS_TOLD_MAX } from '../../common/limits.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { wakeBy, type EventOf, type Turn } from '../turn.ts'
import { victimOf, WaitGraph, type Places } from '../wait-graph.ts'
import { tellAnew } from './told-waits.ts'
import { textOf, type ToldWait, type WaitCalls, type WaitsTold } from './wait-messages.ts'
import type { FarWait, KnownOfNode, Round, WaitsOfNodes } from './waits-of-nodes.ts'

/** What is told together arrives together. */
const GATHER_MS = 20
/** How long processes may take to answer; longer after a round that came to nothing. */
const CONFIRM_MS = 500
/** How long a node may take beyond that; it is left out then. */
const LATE_MS = 1500
const PAUSE_MS_MAX = 2000
/** One that was told that it closes a ring, and is still there, is told again. */
const TOLD_AGAIN_MS = 1000

export function nodesOfWaits(
  turn: Turn,
  { waits }: ClusterState,
  { nodes, suspected, members }: EventOf<'nodes'>,
): void {
  const self = toHex(turn.state.config.nodeId)
  const others = nodes.map(({ nodeId }) => nodeId).filter((id) => !suspected.has(id))
  const detector = others.length === 0 ? undefined : rendezvous('waits', [self, ...others], 1)[0]
  for (const nodeId of waits.known.keys()) {
    if (nodeId !== self && !members.has(nodeId)) forget(turn, waits, nodeId)
  }
  if (detector === waits.detector) return
  waits.detector = detector
  if (detector !== self) {
    waits.known.clear()
    waits.round = undefined
  }
  tellAnew(turn, waits)
}

/** A node tells of its waits. */
export function waitsTold(
  turn: Turn,
  { waits }: ClusterState,
  from: string,
  message: WaitsTold,
): WaitCalls['tellWaits'][1] {
  const { sequence, isFull } = message
  const known = waits.known.get(from)
  const before = known?.sequence ?? -1
  if (sequence <= before) return { resend: false } // late
  if (!isFull && sequence !== before + 1) return { resend: true }
  const of = isFull || known === undefined ? { sequence, waits: new Map() } : known
  of.sequence = sequence
  waits.known.set(from, of)
  take(turn, of, from, message)
  if (of.waits.size === 0) waits.known.delete(from)
  if (message.waits.length > 0) waits.pauseMs = 0
  if (waits.known.size > 0) lookBy(turn, waits, turn.nowMs + GATHER_MS)
  return { resend: false }
}

function take(turn: Turn, of: KnownOfNode, from: string, { waits, ended }: WaitsTold): void {
  for (const key of ended) of.waits.delete(textOf(key))
  for (const wait of waits.slice(0, WAITS_TOLD_MAX)) learn(turn, of, from, wait)
}

/** Undefined: the node could not be asked. */
interface Confirmed {
  readonly id: number
  readonly reply: WaitCalls['confirmWaits'][1] | undefined
}

/** DT1. */
export function waitsConfirmed(
  turn: Turn,
  { waits }: ClusterState,
  nodeId: string,
  { id, reply }: Confirmed,
): void {
  const { round } = waits
  if (round?.id !== id || !round.missing.delete(nodeId)) return
  const of = waits.known.get(nodeId)
  if (reply !== undefined && of !== undefined) {
    for (const key of reply.ended) of.waits.delete(textOf(key))
    for (const wait of reply.confirmed) {
      if (of.waits.has(textOf(wait))) round.confirmed.push(learn(turn, of, nodeId, wait))
    }
  }
  if (round.missing.size === 0) endRound(turn, waits, round)
}

/** On a tick. */
export function tendDetector(turn: Turn, { waits }: ClusterState): void {
  const { round, lookAtMs } = waits
  if (round !== undefined) {
    if (turn.nowMs >= round.endsAtMs) endRound(turn, waits, round)
    else wakeBy(turn, round.endsAtMs)
    return
  }
  if (lookAtMs === undefined) return
  if (turn.nowMs < lookAtMs) {
    wakeBy(turn, lookAtMs)
    return
  }
  waits.lookAtMs = undefined
  look(turn, waits)
}

function forget(turn: Turn, waits: WaitsOfNodes, nodeId: string): void {
  waits.known.delete(nodeId)
  if (waits.round?.missing.delete(nodeId) !== true || waits.round.missing.size > 0) return
  endRound(turn, waits, waits.round)
}

function learn(turn: Turn, of: KnownOfNode, nodeId: string, wait: ToldWait): FarWait {
  const { client, waitId, taskId, name, isDependency, on, need, actorId, group, places } = wait
  const { limit, limits } = wait
  const known = of.waits.get(textOf(wait))
  const learnt: FarWait = {
    ...{ nodeId, client, waitId, taskId, name, isDependency, on, need, actorId, group, places },
    ...{ limit, limits },
    sinceMs: known?.sinceMs ?? turn.nowMs - wait.ageMs,
    toldAtMs: known?.toldAtMs ?? -Infinity,
  }
  of.waits.set(textOf(wait), learnt)
  return learnt
}

/** DT3. */
function lookBy(turn: Turn, waits: WaitsOfNodes, soonMs: number): void {
  const atMs = Math.max(soonMs, waits.lookedAtMs + DEADLOCK_SETTLE_MS)
  waits.lookAtMs = Math.min(waits.lookAtMs ?? Infinity, atMs)
  wakeBy(turn, waits.lookAtMs) // also for one that a round has made wait
}

/** Ask all that seem stuck. */
function look(turn: Turn, waits: WaitsOfNodes): void {
  waits.lookedAtMs = turn.nowMs
  const all: FarWait[] = []
  for (const of of waits.known.values()) {
    for (const wait of of.waits.values()) {
      const againAtMs = wait.toldAtMs + TOLD_AGAIN_MS
      if (againAtMs <= turn.nowMs) all.push(wait)
      else lookBy(turn, waits, againAtMs)
    }
  }
  const byNode = Map.groupBy(new WaitGraph(all, placesIn(all)).stuck, ({ nodeId }) => nodeId)
  if (byNode.size === 0) return
  const id = waits.nextRound++
  const limitMs = CONFIRM_MS + waits.pauseMs
  const endsAtMs = turn.nowMs + limitMs + LATE_MS
  waits.round = { id, endsAtMs, missing: new Set(byNode.keys()), confirmed: [] }
  wakeBy(turn, endsAtMs)
  for (const [nodeId, stuck] of byNode) {
    const keys = stuck.map(({ client, waitId }) => ({ client, waitId }))
    const message = { round: id, limitMs, waits: keys }
    turn.effects.push({ kind: 'askWaits', nodeId, type: 'confirmWaits', message })
  }
}

function endRound(turn: Turn, waits: WaitsOfNodes, { confirmed }: Round): void {
  waits.round = undefined
  const isInVain = !tellRings(turn, confirmed)
  waits.pauseMs = isInVain ? Math.min(PAUSE_MS_MAX, waits.pauseMs * 2 + DEADLOCK_SETTLE_MS) : 0
  lookBy(turn, waits, turn.nowMs + waits.pauseMs)
}

/** DT2. @returns whether there was one. */
function tellRings(turn: Turn, confirmed: readonly FarWait[]): boolean {
  const left = new Set(confirmed)
  for (;;) {
    const ring = new WaitGraph([...left], placesIn(left)).ring()
    const told = ring && victimOf(ring)
    if (told === undefined) return left.size < confirmed.length
    const { victim, chain } = told
    left.delete(victim)
    victim.toldAtMs = turn.nowMs
    const { nodeId, client, waitId } = victim
    const message = { client, waitId, chain }
    turn.effects.push({ kind: 'askWaits', nodeId, type: 'tellDeadlock', message })
  }
}

/** As the nodes of the actors, and of who waits for limited tasks, tell with their waits. */
function placesIn(waits: Iterable<FarWait>): Places {
  const actors = new Map<string, NonNullable<FarWait['places']>>()
  const capacities = new Map<string, number>()
  for (const { actorId, places, limits } of waits) {
    if (actorId !== undefined && places !== undefined) actors.set(actorId, places)
    for (const [name, limit] of Object.entries(limits)) capacities.set(placeOf(name), limit)
  }
  return {
    ofActor: (actorId, group) => {
      const { groups = {}, others = Infinity } = actors.get(actorId) ?? {}
      const ofGroup = group === undefined ? undefined : groups[group]
      const place = ofGroup === undefined ? actorId : `${actorId} ${String(group)}`
      capacities.set(place, ofGroup ?? others)
      return place
    },
    ofLimiter: placeOf,
    capacity: (place) => capacities.get(place) ?? Infinity,
  }
}

const placeOf = (limiter: string): string => `limiter ${limiter}`
