// What a ref that has left its owner says of its object, for the time when that owner is gone:
// where the object's spec is, or will be, in the GCS, and the spec itself while it is not there
// yet.
//   ref     string id · string owner's address · lineage, or nothing where none is kept
//   lineage string node · varint epoch · string owner · varint sequence · varint segment + 1, or 0
//           while it is not known · spec, or nothing once it is committed
//   spec    u8 VALUE · blob   |   u8 TASK · adoptable-task.ts   |   u8 STORED · name of what
//           made it, or nothing if it was put: only copies are left
// Source: design 5 (dead owner) and 8; Lineage Stash (SOSP 2019).
import type { ObjectId } from '../common/ids.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import type { LineagePlace } from '../protocol/messages.ts'

export const SPEC_VALUE = 0
export const SPEC_TASK = 1
export const SPEC_STORED = 2

/** What stands for a ref inside a value. */
export interface WrittenRef {
  readonly id: ObjectId
  readonly ownerAddress: string
  readonly lineage: Uint8Array | undefined
}

export interface RefLineage {
  readonly place: LineagePlace
  /** Absent: it is in the GCS. */
  readonly spec: Uint8Array | undefined
}

export function writeRef({ id, ownerAddress, lineage }: WrittenRef): Uint8Array {
  const writer = new ByteWriter()
  writer.string(id)
  writer.string(ownerAddress)
  if (lineage !== undefined) writer.bytes(lineage)
  return writer.take()
}

/** @returns the lineage as bytes of its own: it is kept longer than what they came in. */
export function readRef(bytes: Uint8Array): WrittenRef {
  const reader = new ByteReader(bytes)
  const id = reader.string() as ObjectId
  const ownerAddress = reader.string()
  const lineage =
    reader.remaining === 0 ? undefined : Uint8Array.from(reader.view(reader.remaining))
  return { id, ownerAddress, lineage }
}

export function writeLineage({ place, spec }: RefLineage): Uint8Array {
  const writer = new ByteWriter()
  writer.string(place.nodeId)
  writer.varint(place.epoch)
  writer.string(place.owner)
  writer.varint(place.sequence)
  writer.varint(place.segment === undefined ? 0 : place.segment + 1)
  if (spec !== undefined) writer.bytes(spec)
  return writer.take()
}

export function readLineage(bytes: Uint8Array): RefLineage {
  const reader = new ByteReader(bytes)
  const nodeId = reader.string()
  const epoch = reader.varint()
  const owner = reader.string()
  const sequence = reader.varint()
  const segment = reader.varint()
  const place = {
    nodeId,
    epoch,
    owner,
    sequence,
    ...(segment === 0 ? {} : { segment: segment - 1 }),
  }
  return { place, spec: reader.remaining === 0 ? undefined : reader.view(reader.remaining) }
}

export function specOf(kind: number, payload: Uint8Array): Uint8Array {
  const spec = new Uint8Array(1 + payload.length)
  spec[0] = kind
  spec.set(payload, 1)
  return spec
}
