// Where copies of large objects lie that outlive their node, for the time when their owner is gone
// or does not know; who has one in memory is asked. Facts: a late or repeated one does no harm, as
// each names a copy, and whoever reads that compares it with its checksum. A write unit each.
import { count, number, shape, text } from '../common/shape.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { AppendedRow, Storage } from './storage.ts'
import { locationKey } from './tables.ts'

/** A day after the last word. Nothing is taken back: nobody asks for an object that was freed. */
const LOCATION_KEPT_MS = 24 * 3_600_000

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
}

type LocationRow = Omit<ObjectLocation, 'objectId'>
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
    locations.map(({ objectId, ...value }): AppendedRow => {
      return { key: locationKey(objectId), value, expiresAtMs: nowMs + LOCATION_KEPT_MS }
    }),
  )
}

export async function findLocation(
  storage: Storage,
  objectId: string,
): Promise<ObjectLocation | undefined> {
  const row = await storage.get(locationKey(objectId))
  return row && { ...readRow<LocationRow>(row, LOCATION), objectId }
}
