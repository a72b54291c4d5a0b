// Where copies of large objects lie that outlive their node, for the time when their owner is gone
// or does not know; who has one in memory is asked. Facts: a late or repeated one does no harm, as
// each names a copy, and whoever reads that compares it with its checksum. A write unit each.
// Invariant:
//   OS1. What is told of a copy that its node has spilled, which goes with that object there, takes
//        no place of one that is kept for a job. They are two rows.
import { count, number, shape, text } from '../common/shape.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { AppendedRow, Storage } from './storage.ts'
import { locationKey } from './tables.ts'

const DAY_MS = 24 * 3_600_000
/** After the last word. Nothing is taken back: nobody asks for an object that was freed. */
const SPILLED_TOLD_MS = DAY_MS
/** For as long a job may run, and lose owners, before what it put is forgotten. */
const KEPT_TOLD_MS = 30 * DAY_MS

export interface SpillPlace {
  /** File or S3 key, and the range of it. */
  readonly path: string
  readonly offset: number
  /** CRC-32 of its bytes. */
  readonly checksum: number
}

export interface ObjectLocation {
  /** Hex. */
  readonly objectId: string
  readonly sizeBytes: number
  /** Node that has made the copy, in its epoch. */
  readonly nodeId: string
  readonly epoch: number
  readonly spill: SpillPlace
  /** For its job, whatever becomes of that node. */
  readonly isKept: boolean
}

type LocationRow = Omit<ObjectLocation, 'objectId' | 'isKept'>
const LOCATION: FieldsOf<LocationRow> = {
  ...{ sizeBytes: count, nodeId: text, epoch: count },
  spill: shape({ path: text, offset: count, checksum: number }),
}

/** @param nowMs  wall time, for garbage collection alone. */
export async function tellLocations(
  storage: Storage,
  locations: readonly ObjectLocation[],
  nowMs: number,
): Promise<void> {
  await storage.append(
    locations.map(({ objectId, isKept, ...value }): AppendedRow => {
      const expiresAtMs = nowMs + (isKept ? KEPT_TOLD_MS : SPILLED_TOLD_MS)
      return { key: locationKey(objectId, isKept), value, expiresAtMs }
    }),
  )
}

/** @returns the copy that is kept first: that which was spilled may be gone with its object. */
export async function findLocations(
  storage: Storage,
  objectId: string,
): Promise<readonly ObjectLocation[]> {
  const { table, pk, sk: kept } = locationKey(objectId, true)
  const rows = await storage.query(table, pk)
  return rows
    .map((row) => {
      const isKept = row.key.sk === kept
      return { ...readRow<LocationRow>(row, LOCATION), objectId, isKept }
    })
    .toSorted((a, b) => Number(b.isKept) - Number(a.isKept))
}
