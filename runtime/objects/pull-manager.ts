// Which objects of other nodes this node pulls, from whom, and how many bytes at a time: a pure
// state machine. Its shell asks holders for chunks, writes them straight into the arena, and tells
// what came of it.
//   in   PullEvent      somebody wants an object, a holder is found, room was made, a chunk came
//   out  PullEffect[]   in the order they must be performed
// Invariants:
//   PM1. One pull per object, however many want it; it ends when nobody does.
//   PM2. Admission: what active pulls have in memory is at most inFlightBytesMax, but for one
//       that is larger by itself. One that is larger than the arena comes into a file, and has
//       its window in memory alone. First come first served, gets before arguments of tasks that
//       do not run yet.
//   PM3. A chunk counts only with the right length and checksum; one that is damaged, late or
//       refused is asked of another holder.
//   PM4. A holder that failed is asked again only when no other is left, after a pause that
//       doubles, and at most attemptsMax times; then the pull fails and names what each did.
//   PM5. An event looks at the pull that it names, at those whose pause is over, and at those that
//       it lets in: never at all of them, as each of thousands has several events.
// Source: Ray pull_manager.h, object_manager.h (5 MiB chunks); design section 5, Location.
import { assert, unreachable } from '../common/assert.ts'
import { ObjectCorruptedError, ObjectLostError } from '../common/errors.ts'
import { createHeap, firstOf, setKey, type KeyedHeap } from '../common/keyed-heap.ts'
import type { Chunk, PullEffect, PullEvent, PullName, PullPurpose } from './pull-events.ts'

/** Source: Ray object_manager_default_chunk_size = 5 MiB. */
export const CHUNK_BYTES = 4 * 1024 * 1024
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 5000
/** PM2. Behind every get: pulls are counted from 1. */
const AFTER_GETS = 2 ** 52

export interface PullOptions {
  /** PM2. */
  readonly inFlightBytesMax: number
  /** What is larger comes into a file. */
  readonly arenaBytes: number
  /** Chunks of one pull that are asked for at a time. */
  readonly windowChunks: number
  /** PM4. Per pull: chunks that came to nothing, the holders all taken together. */
  readonly attemptsMax: number
}

interface Holder {
  readonly name: string
  failures: number
  notBeforeMs: number
  inFlightCount: number
}

interface Pull extends PullName {
  readonly sizeBytes: number
  readonly wantedBy: Map<string, PullPurpose>
  /** Of those that want it. */
  getCount: number
  readonly holders: Map<string, Holder>
  /** Why holders failed, the last words of each. */
  readonly reasons: Map<string, string>
  phase: 'QUEUED' | 'ADMITTED' | 'ACTIVE'
  /** Ranges that nobody was asked for yet, or that failed. */
  readonly missing: { readonly offset: number; readonly sizeBytes: number }[]
  /** By offset. */
  readonly asked: Map<number, Chunk>
  failedCount: number
  damagedCount: number
}

export interface PullState {
  readonly options: PullOptions
  /** By object, in the order in which they were first wanted. */
  readonly pulls: Map<string, Pull>
  readonly byNumber: Map<number, Pull>
  /** PM2. Those that may be admitted, by their turn. */
  readonly queue: KeyedHeap<Pull>
  /** PM5. Those that lack chunks and have a holder that pauses, by when a pause is over. */
  readonly pauses: KeyedHeap<Pull>
  nextPull: number
  /** Of pulls that are not QUEUED. */
  inFlightBytes: number
  nowMs: number
}

export function createPullState(options: PullOptions): PullState {
  return {
    options,
    pulls: new Map(),
    byNumber: new Map(),
    queue: createHeap(),
    pauses: createHeap(),
    nextPull: 1,
    inFlightBytes: 0,
    nowMs: 0,
  }
}

/** Takes one event into the state. @returns what is to be done about it. */
export function stepPulls(state: PullState, event: PullEvent, nowMs: number): PullEffect[] {
  state.nowMs = nowMs
  const pull = event.type === 'want' ? want(state, event) : pullOf(state, event)
  const effects = pull === undefined ? [] : apply(state, pull, event)
  if (pull !== undefined) setKey(state.queue, pull, turnOf(state, pull))
  admit(state, effects)
  if (pull !== undefined) askMore(state, pull, effects)
  for (let due = firstOf(state.pauses); due !== undefined; due = firstOf(state.pauses)) {
    if (due.key > nowMs) break
    askMore(state, due.value, effects)
  }
  return effects
}

/** @returns undefined when it has ended: the event is late. */
function pullOf(
  state: PullState,
  event: Exclude<PullEvent, { readonly type: 'want' }>,
): Pull | undefined {
  if (event.type === 'timer') return undefined
  return 'pull' in event ? state.byNumber.get(event.pull) : state.pulls.get(event.objectId)
}

function apply(state: PullState, pull: Pull, event: PullEvent): PullEffect[] {
  switch (event.type) {
    case 'timer':
    case 'want':
      return []
    case 'unwant':
      return unwant(state, pull, event.by)
    case 'holderFound':
      addHolder(pull, event.holder)
      return []
    case 'holderLost':
      return holderLost(state, pull, event.holder)
    case 'roomMade':
      if (pull.phase !== 'ADMITTED') return []
      pull.phase = 'ACTIVE'
      return pull.missing.length === 0 ? end(state, pull) : []
    case 'roomRefused':
      return fail(state, pull, event.error)
    case 'chunkCame':
      return chunkCame(state, pull, event.chunk)
    case 'chunkFailed':
      return chunkFailed(state, pull, event)
    default:
      return unreachable(event)
  }
}

function want(state: PullState, event: Extract<PullEvent, { readonly type: 'want' }>): Pull {
  const { objectId, sizeBytes, by, purpose, holders } = event
  let pull = state.pulls.get(objectId)
  if (pull === undefined) {
    const wantedBy = new Map<string, PullPurpose>()
    const missing = chunksOf(sizeBytes)
    pull = { pull: state.nextPull++, objectId, sizeBytes, wantedBy, missing, ...newProgress() }
    state.pulls.set(objectId, pull)
    state.byNumber.set(pull.pull, pull)
  }
  assert(pull.sizeBytes === sizeBytes, `object ${objectId} has two sizes`)
  if (pull.wantedBy.get(by) !== 'get') {
    pull.wantedBy.set(by, purpose)
    if (purpose === 'get') pull.getCount += 1
  }
  for (const holder of holders) addHolder(pull, holder)
  return pull
}

const newProgress = (): Pick<
  Pull,
  'getCount' | 'holders' | 'reasons' | 'phase' | 'asked' | 'failedCount' | 'damagedCount'
> => ({
  getCount: 0,
  holders: new Map(),
  reasons: new Map(),
  phase: 'QUEUED',
  asked: new Map(),
  failedCount: 0,
  damagedCount: 0,
})

function chunksOf(sizeBytes: number): Pull['missing'] {
  const chunks: Pull['missing'] = []
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) {
    chunks.push({ offset, sizeBytes: Math.min(CHUNK_BYTES, sizeBytes - offset) })
  }
  return chunks
}

function addHolder(pull: Pull, name: string): void {
  if (pull.holders.has(name)) return
  pull.holders.set(name, { name, failures: 0, notBeforeMs: 0, inFlightCount: 0 })
}

/** PM1. */
function unwant(state: PullState, pull: Pull, by: string): PullEffect[] {
  if (pull.wantedBy.get(by) === 'get') pull.getCount -= 1
  pull.wantedBy.delete(by)
  return pull.wantedBy.size > 0 ? [] : drop(state, pull)
}

/** Forgets a pull; what it has of the arena is given back. */
function drop(state: PullState, pull: Pull): PullEffect[] {
  forget(state, pull)
  return pull.phase === 'QUEUED' ? [] : [{ type: 'abort', ...nameOf(pull) }]
}

function forget(state: PullState, pull: Pull): void {
  state.pulls.delete(pull.objectId)
  state.byNumber.delete(pull.pull)
  setKey(state.queue, pull, undefined)
  setKey(state.pauses, pull, undefined)
  if (pull.phase !== 'QUEUED') state.inFlightBytes -= inMemory(state, pull)
}

function fail(state: PullState, pull: Pull, error: Error): PullEffect[] {
  const wantedBy = [...pull.wantedBy.keys()]
  return [...drop(state, pull), { type: 'failed', ...nameOf(pull), wantedBy, error }]
}

/** All of it is here. */
function end(state: PullState, pull: Pull): PullEffect[] {
  forget(state, pull)
  return [{ type: 'pulled', ...nameOf(pull), wantedBy: [...pull.wantedBy.keys()] }]
}

const nameOf = ({ pull, objectId }: Pull): PullName => ({ pull, objectId })

/** What it was asked for is asked of others; without any the pull fails. */
function holderLost(state: PullState, pull: Pull, name: string): PullEffect[] {
  if (!pull.holders.delete(name)) return []
  if (!pull.reasons.has(name)) pull.reasons.set(name, 'it has lost its copy')
  for (const chunk of pull.asked.values()) {
    if (chunk.holder === name) giveBack(pull, chunk)
  }
  return pull.holders.size > 0 ? [] : fail(state, pull, lostError(pull))
}

function giveBack(pull: Pull, { offset, sizeBytes }: Chunk): void {
  pull.asked.delete(offset)
  pull.missing.push({ offset, sizeBytes })
}

/** @returns false when it was not asked of this holder, or not any more (PM3). */
function takeAnswer(pull: Pull, chunk: Chunk): boolean {
  const asked = pull.asked.get(chunk.offset)
  if (asked?.holder !== chunk.holder) return false
  const holder = pull.holders.get(chunk.holder)
  if (holder !== undefined) holder.inFlightCount -= 1
  return true
}

function chunkCame(state: PullState, pull: Pull, chunk: Chunk): PullEffect[] {
  if (!takeAnswer(pull, chunk)) return []
  pull.asked.delete(chunk.offset)
  const holder = pull.holders.get(chunk.holder)
  if (holder !== undefined) holder.failures = 0
  return pull.asked.size + pull.missing.length > 0 ? [] : end(state, pull)
}

function chunkFailed(
  state: PullState,
  pull: Pull,
  { chunk, reason, isDamaged = false }: Extract<PullEvent, { readonly type: 'chunkFailed' }>,
): PullEffect[] {
  if (!takeAnswer(pull, chunk)) return []
  giveBack(pull, chunk)
  pull.reasons.set(chunk.holder, reason)
  pull.failedCount += 1
  if (isDamaged) pull.damagedCount += 1
  if (pull.failedCount >= state.options.attemptsMax) return fail(state, pull, lostError(pull))
  const holder = pull.holders.get(chunk.holder)
  if (holder === undefined) return []
  const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** holder.failures)
  holder.failures += 1
  holder.notBeforeMs = state.nowMs + pauseMs
  return []
}

/** PM2. Gets first, then in the order in which they were wanted. */
function turnOf({ byNumber }: PullState, pull: Pull): number | undefined {
  const isWaiting = pull.phase === 'QUEUED' && pull.holders.size > 0 && byNumber.has(pull.pull)
  if (!isWaiting) return undefined
  return pull.getCount > 0 ? pull.pull : AFTER_GETS + pull.pull
}

function admit(state: PullState, effects: PullEffect[]): void {
  for (let next = firstOf(state.queue); next !== undefined; next = firstOf(state.queue)) {
    const pull = next.value
    const bytes = inMemory(state, pull)
    const isOver = state.inFlightBytes + bytes > state.options.inFlightBytesMax
    if (isOver && state.inFlightBytes > 0) return
    setKey(state.queue, pull, undefined)
    pull.phase = 'ADMITTED'
    state.inFlightBytes += bytes
    effects.push({ type: 'makeRoom', ...nameOf(pull), sizeBytes: pull.sizeBytes })
  }
}

/** PM2. What it has in memory while it is under way. */
function inMemory({ options }: PullState, { sizeBytes }: Pull): number {
  return sizeBytes > options.arenaBytes ? options.windowChunks * CHUNK_BYTES : sizeBytes
}

/** PM3, PM4. Fills the window of an active pull, the idlest holder first. */
function askMore(state: PullState, pull: Pull, effects: PullEffect[]): void {
  if (pull.phase !== 'ACTIVE' || !state.byNumber.has(pull.pull)) return
  while (pull.asked.size < state.options.windowChunks) {
    const [range] = pull.missing
    const holder = pickHolder(state, pull)
    if (range === undefined || holder === undefined) break
    pull.missing.shift()
    const chunk: Chunk = { holder: holder.name, ...range }
    holder.inFlightCount += 1
    pull.asked.set(range.offset, chunk)
    effects.push({ type: 'ask', ...nameOf(pull), chunk })
  }
  setKey(state.pauses, pull, pauseOverAtMs(state, pull))
}

function pickHolder(state: PullState, pull: Pull): Holder | undefined {
  let best: Holder | undefined
  for (const holder of pull.holders.values()) {
    if (holder.notBeforeMs > state.nowMs) continue
    const isBetter =
      best === undefined ||
      holder.failures < best.failures ||
      (holder.failures === best.failures && holder.inFlightCount < best.inFlightCount)
    if (isBetter) best = holder
  }
  return best
}

/** PM4. */
function pauseOverAtMs({ nowMs }: PullState, { missing, holders }: Pull): number | undefined {
  if (missing.length === 0) return undefined
  let atMs = Infinity
  for (const { notBeforeMs } of holders.values()) {
    if (notBeforeMs > nowMs) atMs = Math.min(atMs, notBeforeMs)
  }
  return atMs === Infinity ? undefined : atMs
}

/** When the event 'timer' is next needed. */
export const nextPullTimerAtMs = ({ pauses }: PullState): number | undefined => firstOf(pauses)?.key

/** F41: where what came was damaged, the object is, and not merely out of reach. */
function lostError({ objectId, sizeBytes, reasons, damagedCount }: Pull): Error {
  const told = [...reasons].map(([holder, reason]) => `${holder}: ${reason}`)
  const isDamaged = damagedCount > 0
  const KindOfError = isDamaged ? ObjectCorruptedError : ObjectLostError
  return new KindOfError(
    `An object of ${sizeBytes} B could not be pulled from any node that held it. ` +
      `${told.join('; ')}. A spilled copy or its lineage is used if there is one.`,
    { data: { objectId, sizeBytes, holders: Object.fromEntries(reasons) } },
  )
}
