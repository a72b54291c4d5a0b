// Actors in the GCS: who holds an actor is decided on its own row, together with its name where it
// has one. A restart is an incarnation; the row says which one may commit.
//
//   --1--> PENDING_CREATION --2--> ALIVE --3--> RESTARTING --2--> ALIVE
//                |                   |              |
//                '--------4----------+------4-------'--4--> DEAD
//   1. registered, in one transaction with its name: all or nothing
//   2. the node that holds this incarnation says that the constructor has run
//   3. its holder is gone: one node takes the next incarnation
//   4. killed, out of restarts, or its constructor threw: the name is free again
// Invariants:
//   AC1. Every arrow names the incarnation it starts from: of two who move one on, one wins, and a
//       holder that was replaced is refused.
//   AC2. A name belongs to at most one actor that is not DEAD.
//   AC3. Before a node holds an actor by its row, the row of what that node holds says so: whoever
//       takes over from a dead node finds all that it held.
//   AC4. An actor that was refused its name never comes to be, though its registration is executed
//        late (DC3): a row that says so is in the way. Who registers it once more replaces that.
//   AC5. Nor does one that was killed before it was made, whoever makes it and wherever: its maker
//       may have been on a node that is dead, and its task be run again on another.
// Source: Ray gcs_actor_manager.h (states); faults.md F07, F12, F30, I6.
import { GcsUnavailableError } from '../common/errors.ts'
import { bytes, count, flag, number, oneOf, nullOr, shape, text } from '../common/shape.ts'
import { decideTogether, decideUpdate, leaveMark } from './decide.ts'
import { asName, type ActorName, type NameRow } from './names.ts'
import { queryAll } from './query-all.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, RowValue, Storage, TransactItem } from './storage.ts'
import { actorKey, heldKey, heldPartition, jobPartitions, nameKey } from './tables.ts'

const TRIES_MAX = 5
/** Who calls a dead actor is told of its death for so long; its row is nothing but rent then. One
 *  that was killed unmade may wait for the arguments of its constructor no longer. */
const DEAD_KEPT_MS = 7 * 24 * 3_600_000

export type ActorState = 'PENDING_CREATION' | 'ALIVE' | 'RESTARTING' | 'DEAD'

export interface ActorRow {
  readonly actorId: string
  /** WorkerId of who made it. */
  readonly owner: string
  readonly name: ActorName | null
  readonly detached: boolean
  /** Below 0: without end. */
  readonly maxRestarts: number
  /** What a node needs to make it anew: the encoded ActorSpec. */
  readonly spec: Uint8Array
  readonly state: ActorState
  /** 0 for its first life. */
  readonly incarnation: number
  /** Who holds this incarnation: a node in one epoch of its life. */
  readonly nodeId: string
  readonly epoch: number
  /** Where its worker listens, while it is ALIVE. */
  readonly address: string
  /** Why it is DEAD. */
  readonly death: string
}

const ACTOR: FieldsOf<ActorRow> = {
  ...{ actorId: text, owner: text, name: nullOr(shape({ namespace: text, name: text })) },
  ...{ detached: flag, maxRestarts: number, spec: bytes },
  state: oneOf('PENDING_CREATION', 'ALIVE', 'RESTARTING', 'DEAD'),
  ...{ incarnation: count, nodeId: text, epoch: count, address: text, death: text },
}

export type NewActor = Omit<ActorRow, 'state' | 'incarnation' | 'address' | 'death'>

/** One life of an actor, as its holder knows it. */
export type Incarnation = Pick<ActorRow, 'actorId' | 'incarnation' | 'nodeId' | 'epoch'>

/**
 * Arrow 1. Repeating it with the same actorId finds the row of the first time.
 * @param sinceMs  wall time, for whoever asks who has the name.
 * @param inDoubt  told that it may be executed late, whatever it ends with: see refuseActor.
 * @returns who has the name when it is not this actor; KILLED where it was before; else undefined.
 */
export async function registerActor(
  storage: Storage,
  actor: NewActor,
  sinceMs: number,
  inDoubt = (): void => undefined,
): Promise<NameRow | 'KILLED' | undefined> {
  const { actorId, name } = actor
  const key = actorKey(actorId)
  const life = { state: 'PENDING_CREATION', living: true, incarnation: 0, address: '', death: '' }
  const value = { ...actor, ...life }
  const named = name === null ? undefined : nameKey(name.namespace, name.name)
  let expected: 'ABSENT' | number = 'ABSENT'
  for (let tries = 0; ; tries++) {
    const outcome = await decideTogether(storage, {
      ...{ key, inDoubt },
      items: [{ kind: 'putIf', key, value, expected }, ...claimOf(actor, sinceMs)],
      isOurs: (row) => row['actorId'] === actorId,
    })
    if (outcome.won) return undefined
    if (isKilled(outcome.current)) return 'KILLED'
    if (named === undefined) return undefined
    if (isRefused(outcome.current)) expected = outcome.current?.version ?? 'ABSENT' // AC4
    const holder = await storage.get(named)
    if (holder !== undefined) return asName(holder)
    // Released between the two, or refused at an earlier try: the name may be had.
    if (tries >= TRIES_MAX)
      throw new GcsUnavailableError(`the name of actor ${actorId} is in dispute`)
  }
}

/** AC2. */
function claimOf(
  { actorId, owner, name, nodeId, epoch }: NewActor,
  sinceMs: number,
): readonly TransactItem[] {
  if (name === null) return []
  const value = { actorId, owner, sinceMs, nodeId, epoch }
  const key = nameKey(name.namespace, name.name)
  return [{ kind: 'putIf', key, value, expected: 'ABSENT' }]
}

/** AC4: of one that was refused, whose registration was in doubt. @param nowMs  wall time. */
export async function refuseActor(storage: Storage, actorId: string, nowMs: number): Promise<void> {
  const refusal = {
    ...{ key: actorKey(actorId), mark: { refused: true }, expected: 'ABSENT' as const },
    isMark: (value: RowValue) => value['refused'] === true,
  }
  if ((await leaveMark(storage, refusal, nowMs)).won) return
  await actorDead(storage, { actorId, incarnation: 0 }, 'its name was taken', nowMs)
}

/**
 * AC5: of one that has no row.
 * @returns whether it will never be; false: it has a row by now.
 */
export async function killUnmade(
  storage: Storage,
  actorId: string,
  nowMs: number,
): Promise<boolean> {
  const ofKill = {
    ...{ key: actorKey(actorId), mark: { refused: true, killed: true }, keptMs: DEAD_KEPT_MS },
    isMark: (value: RowValue) => value['killed'] === true,
  }
  const first = await leaveMark(storage, { ...ofKill, expected: 'ABSENT' }, nowMs)
  if (first.won || !isRefused(first.current)) return first.won
  const refused = { fields: { refused: true } }
  return (await leaveMark(storage, { ...ofKill, expected: refused }, nowMs)).won
}

/** As readActor; tells also of one that was killed before it was made (AC5). */
export async function lookUpActor(
  storage: Storage,
  actorId: string,
): Promise<ActorRow | 'KILLED' | undefined> {
  const row = await storage.get(actorKey(actorId))
  if (isKilled(row)) return 'KILLED'
  return row === undefined || isRefused(row) ? undefined : asActor(row)
}

export async function readActor(storage: Storage, actorId: string): Promise<ActorRow | undefined> {
  const actor = await lookUpActor(storage, actorId)
  return actor === 'KILLED' ? undefined : actor
}

/** A job's actors, the dead included; may be a second old, unless that is not wanted. */
export async function readActors(
  storage: Storage,
  jobId: string,
  { stale } = { stale: true },
): Promise<readonly ActorRow[]> {
  const rows = await queryAll(storage, jobPartitions(jobId), { prefix: 'A#', stale })
  return rows.filter((row) => !isRefused(row)).map((row) => asActor(row))
}

/**
 * Arrow 2. @returns whether this incarnation is still the one.
 * @param by  the node where it lives, if that is not the one that holds it so far: it does then.
 */
export async function actorAlive(
  storage: Storage,
  { actorId, incarnation, nodeId, epoch }: Incarnation,
  address: string,
  by: Holder = { nodeId, epoch },
): Promise<boolean> {
  const outcome = await decideUpdate(storage, {
    key: actorKey(actorId),
    fields: { state: 'ALIVE', address, nodeId: by.nodeId, epoch: by.epoch },
    expected: { fields: { living: true, incarnation, nodeId, epoch } },
    isOurs: (value) => value['incarnation'] === incarnation && value['address'] === address,
  })
  return outcome.won
}

/** A node in one epoch of its life. */
export type Holder = Pick<Incarnation, 'nodeId' | 'epoch'>

/** An actor in one of its lives. */
type Life = Pick<Incarnation, 'actorId' | 'incarnation'>

/** AC3: that node holds that life of the actor, or is about to. */
export const willHold = (
  storage: Storage,
  holder: Holder,
  { actorId, incarnation }: Life,
): Promise<void> =>
  storage.append([{ key: heldKey(holder, actorId), value: { actorId, incarnation } }])

/**
 * The reverse, once the row of the actor names another, or it is DEAD. Of one life: the node may
 * hold a later one by the time that this is executed (DC3).
 */
export async function holdsNoMore(
  storage: Storage,
  holder: Holder,
  { actorId, incarnation }: Life,
): Promise<void> {
  await storage.delete(heldKey(holder, actorId), { fields: { actorId, incarnation } })
}

/** Every living actor that a node holds. */
export async function readHeldBy(storage: Storage, holder: Holder): Promise<readonly ActorRow[]> {
  const known = await queryAll(storage, [heldPartition(holder)])
  const ids = known.flatMap(({ value: { actorId } }) =>
    typeof actorId === 'string' ? [actorId] : [],
  )
  const rows = await Promise.all(ids.map((actorId) => readActor(storage, actorId)))
  return rows.filter((row) => row !== undefined && isHeldBy(row, holder)) as ActorRow[]
}

/** Whether it lives, or may live again, by that node's word. */
export const isHeldBy = (
  { state, nodeId, epoch }: Pick<ActorRow, 'state' | 'nodeId' | 'epoch'>,
  holder: Holder,
): boolean => state !== 'DEAD' && nodeId === holder.nodeId && epoch === holder.epoch

/** Free the name of an actor that will not come back, while it ends. */
export async function unnameActor(storage: Storage, actorId: string): Promise<void> {
  const actor = await readActor(storage, actorId)
  if (actor === undefined || actor.name === null || actor.state === 'DEAD') return
  const { namespace, name } = actor.name
  const key = actorKey(actorId)
  await decideTogether(storage, {
    key,
    items: [
      { kind: 'update', key, fields: { name: null }, expected: { fields: { living: true } } },
      { kind: 'delete', key: nameKey(namespace, name), expected: { fields: { actorId } } },
    ],
    isOurs: (value) => value['name'] === null,
  })
}

/**
 * Arrow 3: take the next incarnation of an actor whose holder is gone, if nobody else has yet.
 * @param by  the node that is to hold it.
 * @returns the new life, or undefined: another node took it, or it is DEAD, or out of restarts.
 */
export async function claimRestart(
  storage: Storage,
  gone: Incarnation,
  by: Holder,
): Promise<Incarnation | undefined> {
  const { actorId } = gone
  const actor = await readActor(storage, actorId)
  if (actor === undefined) return undefined
  const life: Incarnation = { actorId, incarnation: gone.incarnation + 1, ...by }
  if (actor.maxRestarts >= 0 && life.incarnation > actor.maxRestarts) return undefined
  const { incarnation, nodeId, epoch } = life
  const outcome = await decideUpdate(storage, {
    key: actorKey(actorId),
    fields: { state: 'RESTARTING', incarnation, nodeId, epoch, address: '' },
    expected: { fields: { living: true, incarnation: gone.incarnation } },
    isOurs: (value) => isLife(value, life),
  })
  return outcome.won ? life : undefined
}

/**
 * The same incarnation, whose constructor has not begun, of a holder that gives it up.
 * @param by  the node that is to hold it.
 * @returns whether it does.
 */
export async function takeUnbegun(
  storage: Storage,
  { actorId, incarnation, nodeId, epoch }: Incarnation,
  by: Holder,
): Promise<boolean> {
  const outcome = await decideUpdate(storage, {
    key: actorKey(actorId),
    fields: { nodeId: by.nodeId, epoch: by.epoch },
    expected: { fields: { living: true, incarnation, nodeId, epoch } },
    isOurs: (value) => isLife(value, { actorId, incarnation, ...by }),
  })
  return outcome.won
}

/**
 * Arrow 4, by whoever holds that incarnation, or sees that nobody does. The name is free after it.
 * @param nowMs  wall time: some days after it the row may be dropped.
 * @returns whether the actor is DEAD now; false when it has gone on to another incarnation.
 */
export async function actorDead(
  storage: Storage,
  { actorId, incarnation }: Life,
  death: string,
  nowMs: number,
): Promise<boolean> {
  const actor = await readActor(storage, actorId)
  if (actor === undefined || actor.state === 'DEAD') return actor !== undefined
  const key = actorKey(actorId)
  const items: TransactItem[] = [
    {
      kind: 'update',
      key,
      fields: { state: 'DEAD', living: false, death, address: '' },
      expected: { fields: { living: true, incarnation } },
      expiresAtMs: nowMs + DEAD_KEPT_MS,
    },
  ]
  if (actor.name !== null) {
    const named = nameKey(actor.name.namespace, actor.name.name)
    items.push({ kind: 'delete', key: named, expected: { fields: { actorId } } })
  }
  const isDead = (value: RowValue): boolean => value['living'] === false
  return (await decideTogether(storage, { key, items, isOurs: isDead })).won
}

const isLife = (value: RowValue, { incarnation, nodeId, epoch }: Incarnation): boolean =>
  value['incarnation'] === incarnation && value['nodeId'] === nodeId && value['epoch'] === epoch

const isRefused = (row: Row | undefined): boolean => row?.value['refused'] === true
const isKilled = (row: Row | undefined): boolean => row?.value['killed'] === true

const asActor = (row: Row): ActorRow => readRow(row, ACTOR)
