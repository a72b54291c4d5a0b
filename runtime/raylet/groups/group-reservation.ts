// One placement group over nodes, as its coordinator reserves it (pure): messages and answers go
// in, what is to be sent comes out. What the nodes do is bundle-holds.ts.
//               begin              all prepared        written         all committed
//   WAITING ─────────► PREPARING ─────────► DECIDING ─────────► COMMITTING ─────────► WHOLE
//      ▲ refused, not answered,  │                                    │ refused,          │
//      └─ or a node is gone ─────┘◄─────── a node is gone ────────────┴───────────────────┘
// The row in the GCS is written between the phases: who takes the group over knows all that may
// have been committed. Only bundles that lie nowhere are asked for; the others stay where they are.
// Invariants:
//   GR1. WHOLE means that each bundle is committed on one node that is a member. What is asked for
//        or prepared by an attempt is committed together, or given back everywhere.
//   GR2. Each try has an attempt of its own; answers to an earlier one change nothing.
//   GR3. A commit is repeated until it is answered, or its node is gone. A node that has lost what
//        it prepared answers so, and its bundles are placed anew.
//   GR4. Once REMOVED, every node that may hold anything is told to give it back, and nothing more
//        is asked of any.
// Source: Ray gcs_placement_group_scheduler.cc (prepare, commit, reschedule of lost bundles).
import { assert } from '../../common/assert.ts'

export type PartState = 'NONE' | 'ASKED' | 'PREPARED' | 'COMMITTED'

/** Where one bundle lies; NONE: nowhere. */
export interface Part {
  readonly state: PartState
  readonly nodeId: string
  readonly attempt: number
}

export type ReservationPhase =
  | 'WAITING'
  | 'PREPARING'
  | 'DECIDING'
  | 'COMMITTING'
  | 'WHOLE'
  | 'REMOVED'

export interface Reservation {
  readonly groupId: string
  phase: ReservationPhase
  /** Of the latest try; 0 before the first. */
  attempt: number
  /** By index. */
  readonly parts: Part[]
}

export type ReservationAction =
  | {
      readonly kind: 'prepare'
      readonly nodeId: string
      readonly attempt: number
      readonly indices: readonly number[]
    }
  /** Write where all bundles are to lie. */
  | { readonly kind: 'decide'; readonly attempt: number }
  | { readonly kind: 'commit'; readonly nodeId: string; readonly attempt: number }
  /** Without attempt: whatever is held of the group. */
  | { readonly kind: 'giveBack'; readonly nodeId: string; readonly attempt: number | undefined }
  | { readonly kind: 'whole' }
  /** To be begun again some time later. */
  | { readonly kind: 'waits' }

const NOWHERE: Part = { state: 'NONE', nodeId: '', attempt: 0 }

export const createReservation = (groupId: string, bundleCount: number): Reservation => ({
  ...{ groupId, phase: 'WAITING', attempt: 0 },
  parts: Array.from({ length: bundleCount }, () => NOWHERE),
})

/**
 * As its row says, by who takes it over: each node is asked to commit what it may have been told
 * to.
 * @param parts  with the attempts by which they were decided; undefined: never decided.
 */
export function takeOver(
  groupId: string,
  attempt: number,
  parts: readonly (Pick<Part, 'nodeId' | 'attempt'> | undefined)[],
): { readonly reservation: Reservation; readonly actions: ReservationAction[] } {
  const reservation: Reservation = {
    ...{ groupId, phase: 'COMMITTING', attempt },
    parts: parts.map((part) => (part === undefined ? NOWHERE : { ...part, state: 'PREPARED' })),
  }
  return { reservation, actions: [...commits(reservation), ...settle(reservation)] }
}

/** The bundles that must be placed. */
export const missingOf = ({ parts }: Reservation): number[] =>
  parts.flatMap(({ state }, index) => (state === 'NONE' ? [index] : []))

/** @param nodeIds  by index, for each that is missing. */
export function begin(
  reservation: Reservation,
  nodeIds: ReadonlyMap<number, string>,
): ReservationAction[] {
  assert(reservation.phase === 'WAITING', `GR1: begun while ${reservation.phase}`)
  const attempt = ++reservation.attempt
  const byNode = new Map<string, number[]>()
  for (const index of missingOf(reservation)) {
    const nodeId = nodeIds.get(index)
    assert(nodeId !== undefined, `GR1: bundle ${String(index)} was not placed`)
    reservation.parts[index] = { state: 'ASKED', nodeId, attempt }
    byNode.set(nodeId, [...(byNode.get(nodeId) ?? []), index])
  }
  reservation.phase = 'PREPARING'
  return [...byNode].map(([nodeId, indices]) => ({ kind: 'prepare', nodeId, attempt, indices }))
}

/** @param prepared  false: refused, or not answered in time. */
export function prepareAnswered(
  reservation: Reservation,
  { nodeId, attempt, prepared }: PartAnswer & { readonly prepared: boolean },
): ReservationAction[] {
  const { phase, parts } = reservation
  if (phase !== 'PREPARING' || attempt !== reservation.attempt) return [] // GR2
  if (!prepared) return fail(reservation)
  move(parts, (part) => part.state === 'ASKED' && part.nodeId === nodeId, 'PREPARED')
  if (parts.some(({ state }) => state === 'ASKED')) return []
  reservation.phase = 'DECIDING'
  return [{ kind: 'decide', attempt }]
}

interface PartAnswer {
  readonly nodeId: string
  readonly attempt: number
}

/** GR1: all of the attempt is given back, by those that did not answer too. */
function fail(reservation: Reservation): ReservationAction[] {
  const { attempt, parts } = reservation
  const nodeIds = nodesOf(parts, (part) => isUndecided(part) && part.attempt === attempt)
  move(parts, isUndecided, 'NONE')
  reservation.phase = 'WAITING'
  return [
    ...nodeIds.map((nodeId) => ({ kind: 'giveBack', nodeId, attempt }) as const),
    { kind: 'waits' },
  ]
}

/** The row was written. */
export function decided(reservation: Reservation, attempt: number): ReservationAction[] {
  if (reservation.phase !== 'DECIDING' || attempt !== reservation.attempt) return []
  reservation.phase = 'COMMITTING'
  return [...commits(reservation), ...settle(reservation)]
}

function commits({ parts }: Reservation): ReservationAction[] {
  const asked = new Map<string, ReservationAction>()
  for (const { state, nodeId, attempt } of parts) {
    if (state !== 'PREPARED') continue
    asked.set(`${nodeId} ${String(attempt)}`, { kind: 'commit', nodeId, attempt })
  }
  return [...asked.values()]
}

/** GR3. @param committed  false: that node holds nothing of it (any more). */
export function commitAnswered(
  reservation: Reservation,
  { nodeId, attempt, committed }: PartAnswer & { readonly committed: boolean },
): ReservationAction[] {
  if (reservation.phase !== 'COMMITTING') return []
  const isIt = (part: Part): boolean =>
    part.state === 'PREPARED' && part.nodeId === nodeId && part.attempt === attempt
  move(reservation.parts, isIt, committed ? 'COMMITTED' : 'NONE')
  return settle(reservation)
}

function settle(reservation: Reservation): ReservationAction[] {
  const { parts } = reservation
  if (parts.some(({ state }) => state === 'PREPARED')) return []
  const isWhole = parts.every(({ state }) => state === 'COMMITTED')
  reservation.phase = isWhole ? 'WHOLE' : 'WAITING'
  return [{ kind: isWhole ? 'whole' : 'waits' }]
}

/** It is dead, or leaves: what was there is placed anew, what is elsewhere stays. */
export function nodeGone(reservation: Reservation, nodeId: string): ReservationAction[] {
  const { phase, parts } = reservation
  const isThere = (part: Part): boolean => part.state !== 'NONE' && part.nodeId === nodeId
  const wasAsked = parts.some((part) => isThere(part) && isUndecided(part))
  if (phase === 'REMOVED' || !parts.some(isThere)) return []
  move(parts, isThere, 'NONE')
  switch (phase) {
    case 'PREPARING':
      return wasAsked ? fail(reservation) : []
    case 'COMMITTING':
      return settle(reservation)
    case 'WHOLE':
      reservation.phase = 'WAITING'
      return [{ kind: 'waits' }]
    case 'DECIDING': // the others are committed first
    case 'WAITING':
      return []
  }
}

/** GR4. */
export function remove(reservation: Reservation): ReservationAction[] {
  const { parts } = reservation
  const nodeIds = nodesOf(parts, ({ state }) => state !== 'NONE')
  reservation.phase = 'REMOVED'
  parts.fill(NOWHERE)
  return nodeIds.map((nodeId) => ({ kind: 'giveBack', nodeId, attempt: undefined }))
}

const isUndecided = ({ state }: Part): boolean => state === 'ASKED' || state === 'PREPARED'

function nodesOf(parts: readonly Part[], which: (part: Part) => boolean): string[] {
  return [...new Set(parts.filter(which).map(({ nodeId }) => nodeId))]
}

function move(parts: Part[], which: (part: Part) => boolean, state: PartState): void {
  for (const [index, part] of parts.entries()) {
    if (which(part)) parts[index] = state === 'NONE' ? NOWHERE : { ...part, state }
  }
}
