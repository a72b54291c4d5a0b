// What a frame says, in words for whoever reads the story of a run: message types with their ids as
// short hex, and how many tasks or replies ride along. Never part of the trace's hash.
import { DecodeError } from '../../runtime/common/protocol-errors.ts'
import { ByteReader } from '../../runtime/protocol/byte-reader.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'

/** Kinds of segments: channel.ts. */
const SEGMENT_CONTROL = 0
const SEGMENT_PUSH = 1
const codec = new ValueCodec()
const TEXT_CHARS_MAX = 60
const FIELDS_CHARS_MAX = 160

export function showFrame(body: Uint8Array): string {
  try {
    return showSegments(body)
  } catch (error) {
    // What travels in bulk (protocol/bulk.ts) has no segments.
    if (error instanceof DecodeError) return `${String(body.length)} B in bulk`
    throw error
  }
}

function showSegments(body: Uint8Array): string {
  const reader = new ByteReader(body)
  const shown: string[] = []
  while (reader.remaining > 0) {
    const kind = reader.u8()
    const segment = reader.view(reader.u32())
    if (kind === SEGMENT_CONTROL) shown.push(showControl(segment))
    else shown.push(`${kind === SEGMENT_PUSH ? 'tasks' : 'replies'} (${String(segment.length)} B)`)
  }
  return shown.join(' · ')
}

function showControl(segment: Uint8Array): string {
  const { t, m } = codec.decode(segment) as { t: string; m: object }
  const fields = Object.entries(m).map(([name, value]) => `${name}=${showField(value)}`)
  return `${t} ${fields.join(' ')}`.slice(0, FIELDS_CHARS_MAX)
}

function showField(value: unknown): string {
  if (value instanceof Uint8Array) return `${String(value.length)} B`
  if (Array.isArray(value)) return `[${value.map(showField).join()}]`
  if (typeof value === 'string') return showText(value)
  if (typeof value !== 'object' || value === null) return String(value)
  return `{${Object.entries(value)
    .map(([name, each]) => `${name}=${showField(each)}`)
    .join(' ')}}`
}

/** Ids are bytes in a string. */
function showText(text: string): string {
  const isId = /[^ -~]/.test(text)
  return isId ? Buffer.from(text, 'latin1').toString('hex') : text.slice(0, TEXT_CHARS_MAX)
}
