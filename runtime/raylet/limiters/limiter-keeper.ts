// Limiters over all nodes, counted by one of them, the keeper: rendezvous hashing names it, so that
// all agree on it without asking. Nodes tell it what they want and hold, and it keeps the answer to
// each until it has tokens for that node:
//   askTokens ──► parked ──concurrency and rate allow, or PARK_MS──► answered
// Invariants:
//   LK1. No second keeper grants. It is named among the living, those that do not answer too; it
//        grants nothing while there is a living node that has not told it what it holds, and who
//        tells it takes no token of the one before any more. Who joins may have had another keeper.
//        Who has not arrived yet has none and is none: of two keepers that do not know each other
//        both would grant, and so one does (MB4). One that the GCS has not confirmed for too long
//        grants nothing (GL1).
//   LK2. Out at a node is what it told to hold and what was given to it by answers that it may
//        still take: so what is lost needs no repair, and is counted until its node says so.
//   LK3. A new keeper does not know what the one before has started: rates begin at zero when
//        all have told for the first time.
//   LK4. Every askTokens is answered, after PARK_MS at the latest.
//   LK5. Tokens that came back unused are put back once, however often their node tells of them.
import { toHex } from '../../common/ids.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, wakeBy, type EventOf, type Turn } from '../turn.ts'
import {
  givenOf,
  numbersOf,
  type GivenNumbers,
  type ToldLimiter,
  type TokensAsked,
  type TokensGiven,
  type UnusedTokens,
} from './limiter-messages.ts'
import { newKept, type Kept, type NodeOfKeeper } from './limiters-of-nodes.ts'
import {
  addLimiter,
  grant,
  hasNumbers,
  isForgettable,
  putBack,
  readyByMs,
  setCount,
  type Limiter,
} from './token-bucket.ts'
import { keeperChanged } from './token-asks.ts'
import { missingIn } from './why-tokens.ts'

export const PARK_MS = 5_000
/** Nodes that have not told what they hold are asked again, and what is fenced is looked at. */
const AGAIN_MS = 500

const NOTHING: TokensGiven = { tellAnew: false, granted: [], refused: [] }
const TELL_ANEW: TokensGiven = { ...NOTHING, tellAnew: true }

/** LK1: of a node that has arrived. */
export function nodesOfLimiters(
  turn: Turn,
  { limiters }: ClusterState,
  { members }: EventOf<'nodes'>,
): void {
  const self = toHex(turn.state.config.nodeId)
  const epochs = new Map([...members].map(([nodeId, { epoch }]) => [nodeId, epoch]))
  const [keeper] = rendezvous('limiters', [self, ...epochs.keys()], 1)
  const { kept } = limiters
  if (keeper !== limiters.keeper) {
    for (const node of kept?.nodes.values() ?? []) answerParked(turn, node, TELL_ANEW)
    limiters.kept = keeper === self ? newKept(epochs) : undefined
    keeperChanged(turn, limiters, keeper)
    return
  }
  if (kept === undefined) return
  // LK1: nothing is granted until who joins has told, so it is asked at once.
  for (const [nodeId, epoch] of epochs) if (kept.members.get(nodeId) !== epoch) kept.askAtMs = 0
  kept.members = epochs
  for (const node of [...kept.nodes.values()]) {
    const { nodeId, epoch } = node
    if (nodeId !== self && epochs.get(nodeId) !== epoch) forget(turn, kept, node)
  }
  tend(turn, kept)
}

export function tokensAsked(
  turn: Turn,
  { limiters }: ClusterState,
  { from, request }: Pick<EventOf<'tokensAsked'>, 'from' | 'request'>,
  message: TokensAsked,
): void {
  const { kept } = limiters
  const wasWaiting = kept !== undefined && lacksWord(kept)
  const node = kept && nodeOf(turn, kept, from, message)
  if (kept === undefined || node === undefined) {
    answer(turn, request, TELL_ANEW)
    return
  }
  const { sequence } = message
  if (sequence <= node.sequence) {
    answer(turn, request, NOTHING) // late: what its node has told since stands
    return
  }
  answerParked(turn, node, NOTHING)
  node.sequence = sequence
  const { names, refused } = hear(turn, kept, node, message)
  for (const name of putBackUnused(kept, node, message.unused)) names.add(name)
  const untilMs = turn.nowMs + PARK_MS
  node.parked = { request, sequence, untilMs, refused }
  wakeBy(turn, untilMs)
  for (const name of node.wanting) names.add(name) // it may take some now
  grantOf(turn, kept, wasWaiting ? kept.limiters.keys() : names)
  for (const name of names) forgetUnused(turn, kept, name)
  if (node.wanting.size === 0 || refused.length > 0) answerParked(turn, node, NOTHING)
}

/** On a tick. */
export function tendKeeper(turn: Turn, { limiters: { kept } }: ClusterState): void {
  if (kept !== undefined) tend(turn, kept)
}

function tend(turn: Turn, kept: Kept): void {
  grantOf(turn, kept, kept.limiters.keys())
  for (const name of kept.limiters.keys()) forgetUnused(turn, kept, name)
  for (const node of kept.nodes.values()) {
    if (node.parked === undefined) continue
    if (turn.nowMs >= node.parked.untilMs) answerParked(turn, node, NOTHING) // LK4
    else wakeBy(turn, node.parked.untilMs)
  }
}

function forgetUnused(turn: Turn, kept: Kept, name: string): void {
  const limiter = kept.limiters.get(name)
  if (limiter === undefined) return
  if (isForgettable(limiter)) kept.limiters.delete(name)
  else if (limiter.users.size === 0) wakeBy(turn, turn.nowMs + 1000)
}

/** Undefined: it is no member, or is to tell all first. */
function nodeOf(
  turn: Turn,
  kept: Kept,
  from: string,
  { epoch, isFull }: TokensAsked,
): NodeOfKeeper | undefined {
  const { nodeId, epoch: own } = turn.state.config
  const member = from === toHex(nodeId) ? own : kept.members.get(from)
  if (member !== epoch) return undefined
  const known = kept.nodes.get(from)
  if (known !== undefined || !isFull) return known
  const node: NodeOfKeeper = {
    ...{ nodeId: from, epoch, sequence: -1, unusedId: 0, told: new Map() },
    ...{ wanting: new Set(), given: new Map(), parked: undefined },
  }
  kept.nodes.set(from, node)
  return node
}

/** LK2. @returns what has changed, and what others use with other numbers. */
function hear(
  turn: Turn,
  kept: Kept,
  node: NodeOfKeeper,
  { isFull, open, limiters }: TokensAsked,
): { readonly names: Set<string>; readonly refused: readonly GivenNumbers[] } {
  const names = new Set<string>(isFull ? node.told.keys() : [])
  if (isFull) forgetTold(kept, node)
  for (const [sequence, given] of [...node.given]) {
    if (open.includes(sequence)) continue
    node.given.delete(sequence)
    for (const name of given.keys()) names.add(name)
  }
  const refused: GivenNumbers[] = []
  for (const told of limiters) {
    names.add(told.name)
    const limiter = limiterOf(turn, kept, told)
    const fits = limiter === undefined || fitsIn(limiter, told)
    learn(node, told, fits ? told.wanted : 0)
    if (limiter === undefined) continue
    if (fits) use(limiter, node, told)
    else {
      limiter.users.delete(node.nodeId)
      refused.push(givenOf(told.name, limiter))
    }
  }
  for (const name of names) count(kept, node, name)
  return { names, refused }
}

/** LK5. @returns the names of which some came back. */
function putBackUnused(
  kept: Kept,
  node: NodeOfKeeper,
  unused: readonly UnusedTokens[],
): readonly string[] {
  const news = unused.filter(({ id }) => id > node.unusedId)
  for (const { id, name, count } of news) {
    node.unusedId = id
    const limiter = kept.limiters.get(name)
    if (limiter !== undefined) putBack(limiter, count)
  }
  return news.map(({ name }) => name)
}

function limiterOf(turn: Turn, kept: Kept, told: ToldLimiter): Limiter<string> | undefined {
  const known = kept.limiters.get(told.name)
  return known ?? (told.isUsed ? add(turn, kept, told) : undefined)
}

function use(limiter: Limiter<string>, { nodeId }: NodeOfKeeper, told: ToldLimiter): void {
  if (told.isUsed) limiter.users.add(nodeId)
  else limiter.users.delete(nodeId)
}

const fitsIn = (limiter: Limiter<string>, told: ToldLimiter): boolean =>
  !told.isUsed || hasNumbers(limiter, numbersOf(told))

function learn(node: NodeOfKeeper, { name, held, isUsed }: ToldLimiter, wanted: number): void {
  if (isUsed) node.told.set(name, { wanted, held })
  else node.told.delete(name)
  if (wanted > 0) node.wanting.add(name)
  else node.wanting.delete(name)
}

/** LK3: as it would be had its rate begun when the last node told. */
function add(turn: Turn, kept: Kept, told: ToldLimiter): Limiter<string> {
  const spec = { name: told.name, ...numbersOf(told) }
  const { limiter } = addLimiter(kept.limiters, spec, turn.nowMs)
  limiter.ready = 0
  limiter.readyAtMs = kept.sinceMs ?? turn.nowMs
  return limiter
}

/** LK2. */
function count(kept: Kept, { nodeId, told, given }: NodeOfKeeper, name: string): void {
  const limiter = kept.limiters.get(name)
  if (limiter === undefined) return
  const { wanted, held } = told.get(name) ?? { wanted: 0, held: 0 }
  let givenCount = 0
  for (const each of given.values()) givenCount += each.get(name) ?? 0
  setCount(limiter.out, nodeId, held + givenCount)
  setCount(limiter.wanted, nodeId, wanted - givenCount)
}

/** Whatever of these may go out goes to those nodes whose request is here. */
function grantOf(turn: Turn, kept: Kept, names: Iterable<string>): void {
  if (!mayGrant(turn, kept)) return
  const answers = new Map<string, { readonly name: string; readonly count: number }[]>()
  const canTake = (nodeId: string): boolean => kept.nodes.get(nodeId)?.parked !== undefined
  for (const name of names) {
    const limiter = kept.limiters.get(name)
    if (limiter === undefined) continue
    for (const [nodeId, got] of grant(limiter, turn.nowMs, canTake)) {
      const granted = answers.get(nodeId) ?? []
      answers.set(nodeId, granted)
      granted.push({ name, count: got })
    }
    const readyMs = readyByMs(limiter, turn.nowMs)
    if (readyMs !== undefined) wakeBy(turn, readyMs)
  }
  for (const [nodeId, granted] of answers) {
    const node = kept.nodes.get(nodeId)
    if (node?.parked === undefined) continue
    const given = new Map(granted.map((each) => [each.name, each.count]))
    node.given.set(node.parked.sequence, given)
    answerParked(turn, node, { ...NOTHING, granted })
  }
}

/** LK1. */
function mayGrant(turn: Turn, kept: Kept): boolean {
  const { nowMs, state } = turn
  if (nowMs >= state.leaseUntilMs) {
    if (kept.limiters.size > 0) wakeBy(turn, nowMs + AGAIN_MS)
    return false
  }
  if (!lacksWord(kept)) {
    kept.waitsSinceMs = undefined
    if (kept.sinceMs === undefined) beginRates(kept, nowMs)
    return true
  }
  const missing = missingIn(kept, toHex(state.config.nodeId))
  const isWanted = kept.nodes.values().some(({ wanting }) => wanting.size > 0)
  if (isWanted) askMissing(turn, kept, missing)
  else kept.waitsSinceMs = undefined
  return false
}

/** LK1: of some living node, itself included. */
const lacksWord = ({ nodes, members }: Kept): boolean => nodes.size <= members.size

/** LK3. */
function beginRates(kept: Kept, nowMs: number): void {
  kept.sinceMs = nowMs
  for (const limiter of kept.limiters.values()) {
    limiter.ready = 0
    limiter.readyAtMs = nowMs
  }
}

function askMissing(turn: Turn, kept: Kept, missing: readonly string[]): void {
  kept.waitsSinceMs ??= turn.nowMs
  if (turn.nowMs >= kept.askAtMs) {
    kept.askAtMs = turn.nowMs + AGAIN_MS
    for (const nodeId of missing) {
      turn.effects.push({ kind: 'askTokens', nodeId, type: 'tellTokens', message: {} })
    }
  }
  wakeBy(turn, kept.askAtMs)
}

/** It is dead: what it held comes back. */
function forget(turn: Turn, kept: Kept, node: NodeOfKeeper): void {
  answerParked(turn, node, TELL_ANEW)
  const names = new Set(node.told.keys())
  for (const given of node.given.values()) for (const name of given.keys()) names.add(name)
  forgetTold(kept, node)
  node.given.clear()
  kept.nodes.delete(node.nodeId)
  for (const name of names) count(kept, node, name)
}

function forgetTold(kept: Kept, { nodeId, told, wanting }: NodeOfKeeper): void {
  for (const name of told.keys()) kept.limiters.get(name)?.users.delete(nodeId)
  told.clear()
  wanting.clear()
}

function answerParked(turn: Turn, node: NodeOfKeeper, reply: TokensGiven): void {
  const { parked } = node
  if (parked === undefined) return
  node.parked = undefined
  answer(turn, parked.request, { ...reply, refused: parked.refused })
}
