// Where large objects lie, for the time when their owner is gone or does not know. Facts: a late or
// repeated one does no harm, because whoever reads a spilled one compares it with its checksum.
// Two write units per object: when it is sealed, and when it is spilled.
import { count, nullOr, number, shape, text } from '../common/shape.ts'
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
  /** Node that has the primary copy, in its epoch; of a dead one only the spill is left. */
  readonly nodeId: string
  readonly epoch: number
  readonly spill: SpillPlace | null
}

type LocationRow = Omit<ObjectLocation, 'objectId'>
const LOCATION: FieldsOf<LocationRow> = {
  ...{ sizeBytes: count, nodeId: text, epoch: count },
  spill: nullOr(shape({ path: text, offset: count, checksum: number })),
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
