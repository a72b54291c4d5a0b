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
// Source: Ray gcs_actor_manager.h (states); faults.md F07, F12, F30, I6.
import { GcsUnavailableError } from '../common/errors.ts'
import { bytes, count, flag, number, oneOf, nullOr, shape, text } from '../common/shape.ts'
import { decideTogether, decideUpdate } from './decide.ts'
import { asName, type ActorName, type NameRow } from './names.ts'
import { queryAll } from './query-all.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, RowValue, Storage, TransactItem } from './storage.ts'
import { actorKey, heldKey, heldPartition, jobPartitions, nameKey } from './tables.ts'

const TRIES_MAX = 5
/** Who calls a dead actor is told of its death for so long; its row is nothing but rent then. */
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
 * @returns who has the name when it is not this actor, else undefined.
 */
export async function registerActor(
  storage: Storage,
  actor: NewActor,
  sinceMs: number,
): Promise<NameRow | undefined> {
  const { actorId, owner, name, nodeId, epoch } = actor
  const key = actorKey(actorId)
  const life = { state: 'PENDING_CREATION', living: true, incarnation: 0, address: '', death: '' }
  const value = { ...actor, ...life }
  const items: TransactItem[] = [{ kind: 'putIf', key, value, expected: 'ABSENT' }]
  const named = name === null ? undefined : nameKey(name.namespace, name.name)
  if (named !== undefined) {
    const row = { actorId, owner, sinceMs, nodeId, epoch }
    items.push({ kind: 'putIf', key: named, value: row, expected: 'ABSENT' })
  }
  for (let tries = 0; ; tries++) {
    const outcome = await decideTogether(storage, {
      key,
      items,
      isOurs: (row) => row['actorId'] === actorId,
    })
    if (outcome.won || named === undefined) return undefined
    const holder = await storage.get(named)
    if (holder !== undefined) return asName(holder)
    // Released between the two: the name may be had.
    if (tries >= TRIES_MAX)
      throw new GcsUnavailableError(`the name of actor ${actorId} is in dispute`)
  }
}

export async function readActor(storage: Storage, actorId: string): Promise<ActorRow | undefined> {
  const row = await storage.get(actorKey(actorId))
  return row && asActor(row)
}

/** A job's actors, the dead included; may be a second old. */
export async function readActors(storage: Storage, jobId: string): Promise<readonly ActorRow[]> {
  const rows = await queryAll(storage, jobPartitions(jobId), { prefix: 'A#', stale: true })
  return rows.map((row) => asActor(row))
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

/** AC3: that node holds the actor, or is about to. */
export const willHold = (storage: Storage, holder: Holder, actorId: string): Promise<void> =>
  storage.append([{ key: heldKey(holder, actorId), value: { actorId } }])

/** The reverse, once the row of the actor names another, or it is DEAD. */
export async function holdsNoMore(
  storage: Storage,
  holder: Holder,
  actorId: string,
): Promise<void> {
  await storage.delete(heldKey(holder, actorId), { fields: { actorId } })
}

/** Every living actor that a node holds. */
export async function readHeldBy(storage: Storage, holder: Holder): Promise<readonly ActorRow[]> {
  const { nodeId, epoch } = holder
  const known = await queryAll(storage, [heldPartition(holder)])
  const rows = await Promise.all(
    known.map(({ value }) => readActor(storage, String(value['actorId']))),
  )
  return rows.filter(
    (row) =>
      row !== undefined && row.state !== 'DEAD' && row.nodeId === nodeId && row.epoch === epoch,
  ) as ActorRow[]
}

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
 * Arrow 4, by whoever holds that incarnation, or sees that nobody does. The name is free after it.
 * @param nowMs  wall time: some days after it the row may be dropped.
 * @returns whether the actor is DEAD now; false when it has gone on to another incarnation.
 */
export async function actorDead(
  storage: Storage,
  { actorId, incarnation }: Pick<Incarnation, 'actorId' | 'incarnation'>,
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

const asActor = (row: Row): ActorRow => readRow(row, ACTOR)
