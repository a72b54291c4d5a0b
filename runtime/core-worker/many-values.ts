// Many values of one call, its arguments or its returns, encoded side by side into one buffer, as
// task-frames.ts has arguments: ten thousand of them are not ten thousand buffers.
import { FRAME_BYTES_MAX, INLINE_BYTES_MAX } from '../common/limits.ts'
import type { ByteWriter } from '../protocol/byte-writer.ts'
import { ARGUMENT_INLINE } from '../protocol/task-frames.ts'
import type { EncodeOutcome, ValueCodec } from '../protocol/value-codec.ts'

/** Of a length up to INLINE_BYTES_MAX, patched in once it is known. */
const WIDE_VARINT_BYTES = 3
/** So many of many values tell how large all are. */
const SAMPLE_COUNT = 64
const ROOM_FACTOR = 1.1

/**
 * Appends one value as an inline argument.
 * @returns its handles; and the value itself when it is too large to be inline: then nothing was
 *   appended.
 * @throws SerializationError; nothing was appended.
 */
export function appendValue(
  codec: ValueCodec,
  writer: ByteWriter,
  value: unknown,
  path: string,
): EncodeOutcome {
  const start = writer.position
  try {
    writer.u8(ARGUMENT_INLINE)
    const lengthAt = writer.reserve(WIDE_VARINT_BYTES)
    const outcome = codec.encodeInto(writer, value, path, INLINE_BYTES_MAX)
    if (outcome.oversize === undefined) {
      writer.patchVarint(lengthAt, writer.position - lengthAt - WIDE_VARINT_BYTES)
    } else writer.position = start
    return outcome
  } catch (error) {
    writer.position = start
    throw error
  }
}

/**
 * Called before value `i` of `count`: many values are mostly alike, so the first of them tell how
 * much room all need, which then is not copied as it grows. Room that is not used has no pages.
 */
export function expectMore(writer: ByteWriter, i: number, count: number): void {
  if (i !== SAMPLE_COUNT) return
  const expectedBytes = Math.ceil((writer.position / SAMPLE_COUNT) * (count - i) * ROOM_FACTOR)
  writer.ensure(Math.min(expectedBytes, FRAME_BYTES_MAX))
}
