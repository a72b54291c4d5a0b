// What a ref that has left its owner says of its object, for the time when that owner is gone:
// where the object's spec is, or will be, in the GCS, and the spec itself while it is not there
// yet.
//   ref     string id · string owner's address · lineage, or nothing where none is kept
//   lineage string node · varint epoch · string owner · varint sequence · varint segment + 1, or 0
//           while it is not known · spec, or nothing once it is committed
//   spec    u8 VALUE · blob   |   u8 TASK · adoptable-task.ts   |   u8 STORED · name of what
//           made it, or nothing if it was put: only copies are left
// Source: design 5 (dead owner) and 8; Lineage Stash (SOSP 2019).
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import type { LineagePlace } from '../protocol/messages.ts'

export const SPEC_VALUE = 0
export const SPEC_TASK = 1
export const SPEC_STORED = 2

export interface RefLineage {
  readonly place: LineagePlace
  /** Absent: it is in the GCS. */
  readonly spec: Uint8Array | undefined
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
