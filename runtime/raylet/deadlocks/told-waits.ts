// What a node of several does for rings of waits that go over nodes: it tells the detector, one
// node of the cluster, of its long waits, asks their processes when the detector doubts, and fails
// the wait that the detector names. Rings of one node are told without it: deadlock.ts.
//   wait ──DEADLOCK_TELL_MS──► told ──confirmWaits: asked by the detector──► process says it again
// Invariants:
//   TW1. Nothing is sent for a wait that ends within DEADLOCK_TELL_MS; for others their beginning
//        and end are, in one message at a time, that of the next is not before its answer.
//   TW2. A wait is confirmed by what its process says after the detector asked, and only together
//        with all waits of its task: one that is not among those asked may end.
//   TW3. Every confirmWaits is answered, after the limit that it names at the latest.
import type { WorkerId } from '../../common/ids.ts'
import { DEADLOCK_TELL_MS, WAITS_TOLD_MAX } from '../../common/limits.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { RayletState, Wait } from '../state.ts'
import { answer, notify, wakeBy, type Turn } from '../turn.ts'
import { textOf, type ToldWait, type WaitCalls, type WaitKey } from './wait-messages.ts'

/** Between messages that tell what has come and gone. */
const TELL_INTERVAL_MS = 200
/** The detector could not be asked, or its nodes do not yet agree on it. */
const RETRY_MS = 500
/** In one message: a wait may be on a thousand tasks. */
const TARGETS_MAX = 10_000

/** A wait has begun here. */
export function waitBegan(turn: Turn, { waits }: ClusterState): void {
  if (waits.detector !== undefined) tellBy(turn, waits, turn.nowMs + DEADLOCK_TELL_MS)
}

export function waitEnded(turn: Turn, { waits }: ClusterState, wait: Wait): void {
  if (waits.told.has(textOf(wait))) tellBy(turn, waits, turn.nowMs + TELL_INTERVAL_MS)
  answered(turn, waits, wait)
}

/** What is known here alone tells those: what they were kept from telling, they are to tell now. */
export function stuckHere(turn: Turn, { waits }: ClusterState, stuck: ReadonlySet<Wait>): void {
  if (waits.stuckHere.size > 0) tellBy(turn, waits, turn.nowMs)
  waits.stuckHere = stuck
}

/** TW2. @param check  whose question its process has answered. */
export function waitConfirmed(
  turn: Turn,
  { waits }: ClusterState,
  wait: Wait,
  check: number | undefined,
): void {
  if (check !== waits.asked?.request) return
  waits.asked?.confirmed.add(wait)
  answered(turn, waits, wait)
}

/** On a tick. */
export function tendToldWaits(turn: Turn, { waits }: ClusterState): void {
  const { asked, tellAtMs } = waits
  if (asked !== undefined) {
    if (turn.nowMs >= asked.untilMs) answerAsked(turn, waits)
    else wakeBy(turn, asked.untilMs)
  }
  if (tellAtMs === undefined) return
  if (turn.nowMs < tellAtMs) {
    wakeBy(turn, tellAtMs)
    return
  }
  waits.tellAtMs = undefined
  tell(turn, waits)
}

/** Another node is the detector from now on, and knows nothing of this one's waits. */
export function tellAnew(turn: Turn, waits: ClusterState['waits']): void {
  waits.told.clear()
  waits.isFull = true
  waits.isTelling = false
  if (turn.state.waits.size > 0) tellBy(turn, waits, turn.nowMs)
}

export function tellAnswered(
  turn: Turn,
  { waits }: ClusterState,
  { sequence }: WaitCalls['tellWaits'][0],
  reply: WaitCalls['tellWaits'][1] | undefined,
): void {
  if (sequence !== waits.sequence) return // to a detector that is none any more
  waits.isTelling = false
  if (reply?.resend === false) {
    tellBy(turn, waits, turn.nowMs + TELL_INTERVAL_MS)
    return
  }
  waits.told.clear()
  waits.isFull = true
  tellBy(turn, waits, turn.nowMs + RETRY_MS)
}

/** TW2. */
export function confirmWaits(
  turn: Turn,
  { waits }: ClusterState,
  request: number,
  { waits: keys, limitMs }: WaitCalls['confirmWaits'][0],
): void {
  answerAsked(turn, waits) // the detector, or the one before it, asks anew
  const missing = new Set<string>()
  for (const key of keys) {
    if (!turn.state.waits.has(textOf(key))) continue
    missing.add(textOf(key))
    notify(turn, key.client, 'checkWait', { waitId: key.waitId, check: request })
  }
  const untilMs = turn.nowMs + limitMs
  waits.asked = { request, keys, untilMs, missing, confirmed: new Set() }
  if (missing.size === 0) answerAsked(turn, waits)
  else wakeBy(turn, untilMs)
}

/** It is said once, however often the detector says so. */
export function deadlockTold(
  turn: Turn,
  { waits }: ClusterState,
  request: number,
  { client, waitId, chain }: WaitCalls['tellDeadlock'][0],
): void {
  answer(turn, request, {})
  const wait = turn.state.waits.get(textOf({ client, waitId }))
  if (wait === undefined || wait.reported) return
  wait.reported = true
  notify(turn, client, 'deadlock', { waitId, chain })
  tellBy(turn, waits, turn.nowMs)
}

function tellBy(turn: Turn, waits: ClusterState['waits'], atMs: number): void {
  if (waits.tellAtMs !== undefined && waits.tellAtMs <= atMs) return
  waits.tellAtMs = atMs
  wakeBy(turn, atMs)
}

/** TW1. */
function tell(turn: Turn, waits: ClusterState['waits']): void {
  const { detector, told } = waits
  if (detector === undefined || waits.isTelling) return // its answer brings it about
  const begun = newlyLong(turn, waits)
  const ended = [...told.values()].filter((key) => !isToBeTold(turn.state.waits.get(textOf(key))))
  if (begun.length + ended.length === 0) return
  for (const key of ended) told.delete(textOf(key))
  for (const { client, waitId } of begun) told.set(textOf({ client, waitId }), { client, waitId })
  waits.sequence += 1
  waits.isTelling = true
  const message = {
    ...{ sequence: waits.sequence, isFull: waits.isFull, ended },
    waits: begun.map((wait) => toldOf(turn, wait)),
  }
  waits.isFull = false
  turn.effects.push({ kind: 'askWaits', nodeId: detector, type: 'tellWaits', message })
}

const isToBeTold = (wait: Wait | undefined): boolean =>
  wait !== undefined && !wait.reported && wait.need > 0

/** Those that the detector does not know of, as many as it may hear of. */
function newlyLong(turn: Turn, waits: ClusterState['waits']): Wait[] {
  const { told, stuckHere } = waits
  const found: Wait[] = []
  let targetCount = 0
  for (const [key, wait] of turn.state.waits) {
    if (!isToBeTold(wait) || told.has(key) || stuckHere.has(wait)) continue
    const atMs = wait.sinceMs + DEADLOCK_TELL_MS
    if (atMs > turn.nowMs) {
      tellBy(turn, waits, atMs)
      break // those after it are younger
    }
    if (told.size + found.length >= WAITS_TOLD_MAX || targetCount >= TARGETS_MAX) break
    found.push(wait)
    targetCount += wait.on.length
  }
  return found
}

function toldOf({ state, nowMs }: Turn, wait: Wait): ToldWait {
  const { client, waitId, taskId, name, isDependency, on, need, sinceMs, actorId, group } = wait
  const { limit } = wait
  return {
    ...{ client, waitId, taskId, name, isDependency, on, need, ageMs: nowMs - sinceMs },
    ...(actorId === undefined ? {} : { actorId, places: placesOf(state, actorId) }),
    ...(group === undefined ? {} : { group }),
    ...(limit === undefined ? {} : { limit }),
    limits: limitsOf(state, on),
  }
}

/** Their owner is here, and with it what it has said of them. */
function limitsOf({ limiters }: RayletState, on: Wait['on']): Record<string, number> {
  const limits: Record<string, number> = {}
  for (const { limit } of on) {
    const limiter = limit === undefined ? undefined : limiters.get(limit)
    if (limiter !== undefined) limits[limiter.name] = limiter.concurrency
  }
  return limits
}

function placesOf(state: RayletState, actorId: NonNullable<Wait['actorId']>) {
  const actor = state.actors.get(actorId)
  if (actor === undefined) return { others: Infinity, groups: {} }
  if (actor.phase !== 'ALIVE') return { others: 1, groups: {} } // its constructor
  const { maxConcurrency: others, concurrencyGroups: groups } = actor.spec
  return { others, groups }
}

/** That wait was answered, or has ended. */
function answered(turn: Turn, waits: ClusterState['waits'], wait: Wait): void {
  if (waits.asked?.missing.delete(textOf(wait)) !== true) return
  if (waits.asked.missing.size === 0) answerAsked(turn, waits)
}

/** TW2, TW3. */
function answerAsked(turn: Turn, waits: ClusterState['waits']): void {
  const { asked } = waits
  if (asked === undefined) return
  waits.asked = undefined
  const of = (key: WaitKey): Wait | undefined => turn.state.waits.get(textOf(key))
  const doubtful = new Set<string>()
  for (const wait of turn.state.waits.values()) {
    if (!wait.isDependency && !asked.confirmed.has(wait)) doubtful.add(taskOf(wait))
  }
  const sure = [...asked.confirmed].filter((wait) => isToBeTold(of(wait)))
  answer(turn, asked.request, {
    confirmed: sure
      .filter((wait) => wait.isDependency || !doubtful.has(taskOf(wait)))
      .map((wait) => toldOf(turn, wait)),
    ended: asked.keys.filter((key) => !isToBeTold(of(key))),
  })
}

/** The task of that process: another may run it as well, after a failure that was none. */
const taskOf = ({ client, taskId }: Wait): `${WorkerId} ${string}` => `${client} ${taskId}`
