// The latest changes of the membership, as bytes of the row that everybody reads: so short that
// 200 of them are one read unit. Pure.
//   each: kind; length and bytes of the id, whose hex digits go in pairs; epoch as a varint
// Their versions are not written: the last one has the row's, and each before it one less.
import { DecodeError } from '../common/errors.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'

/** Changes kept in the membership row: it stays below the 4 KB of one read unit. */
export const CHANGES_MAX = 200

export type NodeState = 'ALIVE' | 'DRAINING' | 'DEAD'

/** What everybody is told of a node. */
export interface Announcement {
  readonly nodeId: string
  readonly epoch: number
  readonly state: NodeState
  /** Of one that is DEAD: it said goodbye. */
  readonly left?: boolean
}

export interface MembershipChange extends Announcement {
  readonly version: number
}

const KINDS = [
  { state: 'ALIVE' },
  { state: 'DRAINING' },
  { state: 'DEAD' },
  { state: 'DEAD', left: true },
] as const
/** Added to the kind of a change whose id is no hex. */
const IS_TEXT = 0x80
const HEX = /^(?:[0-9a-f]{2})+$/

/** The newest CHANGES_MAX of them. */
export function packChanges(changes: readonly Announcement[]): Uint8Array {
  const writer = new ByteWriter()
  for (const { nodeId, epoch, state, left } of changes.slice(-CHANGES_MAX)) {
    const isHex = HEX.test(nodeId)
    const hasLeft = state === 'DEAD' && left === true
    const kind = KINDS.findIndex((it) => it.state === state && 'left' in it === hasLeft)
    writer.u8(isHex ? kind : kind + IS_TEXT)
    writer.lengthPrefixed(Buffer.from(nodeId, isHex ? 'hex' : 'utf8'))
    writer.varint(epoch)
  }
  return writer.take()
}

/**
 * @param version  of the last one.
 * @throws DecodeError when they are none.
 */
export function unpackChanges(packed: Uint8Array, version: number): readonly MembershipChange[] {
  const reader = new ByteReader(packed)
  const changes: Announcement[] = []
  while (reader.remaining > 0) {
    const code = reader.u8()
    const kind = KINDS[code % IS_TEXT]
    if (kind === undefined) throw new DecodeError(`a change of kind ${String(code)} is not known`)
    const id = Buffer.from(reader.lengthPrefixed())
    const nodeId = id.toString(code < IS_TEXT ? 'hex' : 'utf8')
    changes.push({ nodeId, epoch: reader.varint(), ...kind })
  }
  const before = version - changes.length
  return changes.map((change, index) => ({ ...change, version: before + 1 + index }))
}

/** Whether a field of a row holds packed changes. */
export function arePacked(field: unknown): field is Uint8Array {
  if (!(field instanceof Uint8Array)) return false
  try {
    unpackChanges(field, 0)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}
