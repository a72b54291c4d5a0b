// A segment of lineage: many task specs packed and compressed together, with an index that says
// which are in it. Pure.
//   packed: for each spec, in the order of the index, [u32 length][bytes]
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { DecompressLimitError, DecodeError } from '../common/errors.ts'

/** A segment that has this many bytes of specs takes no more. */
export const SEGMENT_BYTES_MAX = 1024 * 1024
/** Nothing larger is ever unpacked. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024
/** The largest spec: with it a segment that was almost full can still be unpacked. */
export const SPEC_BYTES_MAX = UNPACKED_BYTES_MAX / 2
const LENGTH_BYTES = 4

/** How to run one task again. */
export interface TaskSpec {
  /** WorkerId of who submitted it, hex. */
  readonly owner: string
  /** Its place among the owner's submissions. */
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** The sequences of one owner, as runs [first, last, first, last …]. */
export interface SegmentIndex {
  readonly owner: string
  readonly runs: readonly number[]
}

export interface Segment {
  readonly index: readonly SegmentIndex[]
  readonly packed: Uint8Array
}

/** What a spec takes of a segment. */
export const packedBytes = ({ bytes }: TaskSpec): number => LENGTH_BYTES + bytes.byteLength

export function packSegment(specs: readonly TaskSpec[]): Segment {
  const sorted = specs.toSorted((a, b) =>
    a.owner === b.owner ? a.sequence - b.sequence : a.owner < b.owner ? -1 : 1,
  )
  const parts = sorted.flatMap(({ bytes }) => {
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeUInt32LE(bytes.byteLength)
    return [length, bytes]
  })
  const index: { owner: string; runs: number[] }[] = []
  for (const { owner, sequence } of sorted) {
    let last = index.at(-1)
    if (last?.owner !== owner) index.push((last = { owner, runs: [] }))
    const { runs } = last
    if (runs.at(-1) === sequence - 1) runs[runs.length - 1] = sequence
    else runs.push(sequence, sequence)
  }
  return { index, packed: deflateRawSync(Buffer.concat(parts), { level: 1 }) }
}

/**
 * The spec of one task.
 * @returns undefined when it is not in this segment.
 * @throws DecompressLimitError, DecodeError for bytes that no packSegment made.
 */
export function findSpec(
  { index, packed }: Segment,
  owner: string,
  sequence: number,
): Uint8Array | undefined {
  const place = placeOf(index, owner, sequence)
  if (place === undefined) return undefined
  const bytes = unpack(packed)
  let at = 0
  for (let passed = 0; ; passed++) {
    if (at + LENGTH_BYTES > bytes.length) break
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at)
    if (end > bytes.length) break
    if (passed === place) return bytes.subarray(at + LENGTH_BYTES, end)
    at = end
  }
  throw new DecodeError(`a lineage segment ends before its spec ${String(place)}`)
}

/** Whether the spec of that task is in it. */
export const hasSpec = ({ index }: Segment, owner: string, sequence: number): boolean =>
  placeOf(index, owner, sequence) !== undefined

/** How many specs stand before it. */
function placeOf(
  index: readonly SegmentIndex[],
  owner: string,
  sequence: number,
): number | undefined {
  let passed = 0
  for (const entry of index) {
    for (let run = 0; run + 1 < entry.runs.length; run += 2) {
      const [first = 0, last = 0] = entry.runs.slice(run, run + 2)
      const isHere = entry.owner === owner && sequence >= first && sequence <= last
      if (isHere) return passed + sequence - first
      passed += last - first + 1
    }
  }
  return undefined
}

function unpack(packed: Uint8Array): Buffer {
  try {
    return inflateRawSync(packed, { maxOutputLength: UNPACKED_BYTES_MAX })
  } catch (error) {
    const message = 'a lineage segment cannot be unpacked'
    const isLimit = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'
    throw isLimit
      ? new DecompressLimitError(message, { cause: error })
      : new DecodeError(message, { cause: error })
  }
}
