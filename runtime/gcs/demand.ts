// Demand that waits: each node tells the shapes that it cannot place, and the autoscaler reads them
// all. A fact, written at most once a second and taken back when nothing waits any more.
import { amount, count, listOf, recordOf, shape, text } from '../common/shape.ts'
import { queryAll } from './query-all.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Storage } from './storage.ts'
import { demandKey, shardsOf } from './tables.ts'

/** Shapes of one node, at most; what is beyond is counted in `more`. */
export const SHAPES_MAX = 50

export interface DemandShape {
  /** Amounts in units of 0.0001, as everywhere. */
  readonly resources: Readonly<Record<string, number>>
  readonly labels: readonly Readonly<Record<string, string>>[]
  readonly count: number
  /** How long the oldest of them has waited. */
  readonly waitingMs: number
}

export interface NodeDemand {
  readonly nodeId: string
  readonly epoch: number
  readonly shapes: readonly DemandShape[]
  /** Waiting beyond the shapes told. */
  readonly more: number
}

const SHAPE = {
  ...{ resources: recordOf(amount), labels: listOf(recordOf(text)) },
  ...{ count, waitingMs: amount },
} satisfies FieldsOf<DemandShape>
type DemandRow = Omit<NodeDemand, 'nodeId'>
const DEMAND: FieldsOf<DemandRow> = {
  ...{ epoch: count, shapes: listOf(shape(SHAPE)), more: count },
}

/** @param shapes  the largest counts first. */
export async function tellDemand(
  storage: Storage,
  { nodeId, epoch }: Pick<NodeDemand, 'nodeId' | 'epoch'>,
  shapes: readonly DemandShape[],
): Promise<void> {
  const more = shapes.slice(SHAPES_MAX).reduce((sum, { count }) => sum + count, 0)
  const value = { epoch, shapes: shapes.slice(0, SHAPES_MAX), more }
  await storage.append([{ key: demandKey(nodeId), value }])
}

/**
 * What waits anywhere.
 * @param isMember  whether that epoch of a node lives: what a dead one said counts no more.
 */
export async function readDemand(
  storage: Storage,
  isMember: (nodeId: string, epoch: number) => boolean,
): Promise<readonly NodeDemand[]> {
  const rows = await queryAll(storage, shardsOf('D'), { stale: true })
  return rows
    .map((row) => ({ ...readRow<DemandRow>(row, DEMAND), nodeId: row.key.sk }))
    .filter(({ nodeId, epoch, shapes }) => shapes.length > 0 && isMember(nodeId, epoch))
}
