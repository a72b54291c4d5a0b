// Placement groups in the GCS: one row each, which says who coordinates it and where its bundles
// lie. It is written before the nodes are told to commit, so that whoever takes a group over knows
// all that may be held anywhere.
//
//   --1--> PENDING --2--> CREATED --3--> RESCHEDULING --2--> CREATED       --5--> (a mark)
//   1. registered by its coordinator   2. all bundles are prepared, and are to be committed
//   3. a node with a bundle is gone    4. another node coordinates: the term is one more
//   5. removed, or its job has ended: nothing is left but a mark, for a day
// Invariants:
//   GP1. Every arrow names the coordinator it starts from, a node in one epoch of its life: who was
//        replaced is refused, and of two who take a group over one wins.
//   GP2. A removed group is never made again, also not by a registration that is executed late
//        (DC3): the mark is in the way. Whoever reads it finds no group, as before registration.
// Source: Ray gcs_placement_group.h (states); design 8.
import {
  count,
  flag,
  listOf,
  nullOr,
  number,
  oneOf,
  recordOf,
  shape,
  text,
} from '../common/shape.ts'
import type { ResourceSet } from '../common/resources.ts'
import { decidePut, decideUpdate, leaveMark } from './decide.ts'
import { queryAll } from './query-all.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, RowValue, Storage } from './storage.ts'
import { groupKey, jobPartitions } from './tables.ts'

/** Where one bundle lies, and by which try it came there. */
export interface BundleRow {
  readonly nodeId: string
  readonly attempt: number
}

/** A node in one epoch of its life. */
export interface Coordinator {
  readonly nodeId: string
  readonly epoch: number
}

export interface GroupRow extends Coordinator {
  readonly groupId: string
  /** Hex. */
  readonly jobId: string
  readonly name: string
  readonly detached: boolean
  readonly strategy: 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'
  readonly bundles: readonly ResourceSet[]
  readonly state: 'PENDING' | 'CREATED' | 'RESCHEDULING'
  /** How often it was taken over. */
  readonly term: number
  /** Of the latest try that was decided. */
  readonly attempt: number
  /** By index; null: that bundle lies nowhere. */
  readonly places: readonly (BundleRow | null)[]
}

const GROUP: FieldsOf<GroupRow> = {
  ...{ groupId: text, jobId: text, name: text, detached: flag },
  strategy: oneOf('PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD'),
  bundles: listOf(recordOf(number)),
  state: oneOf('PENDING', 'CREATED', 'RESCHEDULING'),
  ...{ nodeId: text, epoch: count, term: count, attempt: count },
  places: listOf(nullOr(shape({ nodeId: text, attempt: count }))),
}

/** What is decided of a group by its coordinator. */
export type GroupDecision = Pick<GroupRow, 'state' | 'attempt' | 'places'>

/** Arrow 1. May be repeated. */
export async function registerGroup(storage: Storage, row: GroupRow): Promise<void> {
  await decidePut(storage, {
    key: groupKey(row.groupId),
    value: { ...row },
    expected: 'ABSENT',
    isOurs: (value) => isOf(value, row),
  })
}

export async function readGroup(storage: Storage, groupId: string): Promise<GroupRow | undefined> {
  const row = await storage.get(groupKey(groupId))
  return row === undefined || isRemoved(row.value) ? undefined : asGroup(row)
}

/** Arrows 2 and 3. @returns whether it is this coordinator's still. */
export async function decideGroup(
  storage: Storage,
  group: Coordinator & Pick<GroupRow, 'groupId'>,
  { state, attempt, places }: GroupDecision,
): Promise<boolean> {
  const { groupId, nodeId, epoch } = group
  const outcome = await decideUpdate(storage, {
    key: groupKey(groupId),
    fields: { state, attempt, places },
    expected: { fields: { nodeId, epoch } },
    isOurs: (value) =>
      isOf(value, group) && value['attempt'] === attempt && value['state'] === state,
  })
  return outcome.won
}

/**
 * Arrow 4, by a node that knows the coordinator to be dead.
 * @returns the group as it is coordinated now, or undefined: another took it, or it was removed.
 */
export async function claimGroup(
  storage: Storage,
  seen: GroupRow,
  by: Coordinator,
): Promise<GroupRow | undefined> {
  const { groupId, nodeId, epoch, term } = seen
  const outcome = await decideUpdate(storage, {
    key: groupKey(groupId),
    fields: { ...by, term: term + 1 },
    expected: { fields: { nodeId, epoch, term } },
    isOurs: (value) => isOf(value, by) && value['term'] === term + 1,
  })
  return outcome.won ? asGroup(outcome.row) : undefined
}

/** Arrow 5. May be repeated; the row of another coordinator is left. @param nowMs  wall time. */
export async function removeGroup(
  storage: Storage,
  { groupId, nodeId, epoch }: Coordinator & Pick<GroupRow, 'groupId'>,
  nowMs: number,
): Promise<void> {
  const expected = { fields: { nodeId, epoch } }
  const removed = { key: groupKey(groupId), mark: REMOVED, expected, isMark: isRemoved }
  await leaveMark(storage, removed, nowMs)
}

/** Arrow 5, of those of a job that are not detached and that node coordinates. May be repeated. */
export async function removeGroupsOf(
  storage: Storage,
  jobId: string,
  { nodeId, epoch }: Coordinator,
  nowMs: number,
): Promise<void> {
  const rows = await queryAll(storage, jobPartitions(jobId), { prefix: 'P#' })
  for (const { value } of rows) {
    if (value['detached'] === true || !isOf(value, { nodeId, epoch })) continue
    await removeGroup(storage, { groupId: String(value['groupId']), nodeId, epoch }, nowMs)
  }
}

/** GP1, GP2: nobody coordinates it. */
const REMOVED = { removed: true, nodeId: '', epoch: 0, bundles: [], places: [] }
const isRemoved = (value: RowValue): boolean => value['removed'] === true

const isOf = (value: RowValue, { nodeId, epoch }: Coordinator): boolean =>
  value['nodeId'] === nodeId && value['epoch'] === epoch

const asGroup = (row: Row): GroupRow => readRow(row, GROUP)
