// Pushing tasks to a worker: one segment per run of tasks with the same kind, scope and attempt and
// with rising indices, so that a batch of calls of one function is one header and one copy.
// A large record has a segment of its own, and leaves in parts ahead of it: not copied, and decoded
// at the other end while the next parts are on their way.
import { ByteReader } from '../protocol/byte-reader.ts'
import type { ByteWriter } from '../protocol/byte-writer.ts'
import { SEGMENT_PART, SEGMENT_PUSH } from '../protocol/channel.ts'
import { skipArgument, writePartHeader, writePushHeader } from '../protocol/task-frames.ts'
import type { Peer, PeerChannel } from './peers.ts'
import { PUSHED, type TaskRecord } from './task-record.ts'

/** A record of more is sent in parts, each of about this much; smaller ones are joined. */
const LARGE_BYTES_MIN = 1024 * 1024
const PART_BYTES = 256 * 1024

export function pushTasks(peer: Peer, records: readonly TaskRecord[]): void {
  for (const record of records) {
    record.phase = PUSHED
    record.peer = peer
    record.seq = peer.inFlight.push(record)
  }
  const isConnected = peer.channel !== undefined
  peer.with((channel) => {
    // What was cancelled while the peer was dialled has no arguments any more, and is not sent.
    const due = isConnected ? records : records.filter((record) => record.phase === PUSHED)
    for (let from = 0; from < due.length;) from = pushRun(peer, channel, due, from)
  })
}

/** Pushes the run that starts at `from` and returns where the next one starts. */
function pushRun(
  peer: Peer,
  channel: PeerChannel,
  records: readonly TaskRecord[],
  from: number,
): number {
  const first = records[from] as TaskRecord
  let to = from + 1
  while (to < records.length && follows(records[to - 1] as TaskRecord, records[to] as TaskRecord)) {
    to += 1
  }
  const slot = peer.slots.slotOf(channel, first.kind)
  if (isLarge(first)) sendParts(channel, first, slot)
  channel.segment(SEGMENT_PUSH, (writer) => {
    writePushHeader(writer, {
      slot,
      attempt: first.attempt,
      firstSeq: first.seq,
      parent: first.scope.makerId,
      firstIndex: first.index,
      count: to - from,
    })
    let expected = first.index
    for (let at = from; at < to; at += 1) {
      const record = records[at] as TaskRecord
      writer.varint(record.index - expected)
      expected = record.index + 1
      writeArguments(writer, record)
    }
  })
  return to
}

/** Sends the arguments of a large record ahead of it. */
function sendParts(channel: PeerChannel, record: TaskRecord, slot: number): void {
  const args = argumentsOf(record)
  const { argsAt, argsBytes: recordBytes } = record
  const reader = new ByteReader(args, argsAt, argsAt + recordBytes)
  for (let left = reader.varint(); left > 0;) {
    const from = reader.position
    let count = 0
    for (; left > 0 && reader.position - from < PART_BYTES; left -= 1) {
      skipArgument(reader)
      count += 1
    }
    channel.segmentWith(
      SEGMENT_PART,
      (writer) => {
        writePartHeader(writer, { slot, recordBytes, count })
      },
      args.subarray(from, reader.position),
    )
  }
}

const isLarge = ({ argsBytes }: TaskRecord): boolean => argsBytes >= LARGE_BYTES_MIN

/** Indices may skip what the scope submitted elsewhere: calls of several actors in turn. */
function follows(before: TaskRecord, next: TaskRecord): boolean {
  return (
    next.kind === before.kind &&
    next.index > before.index &&
    next.attempt === before.attempt &&
    next.scope === before.scope &&
    next.seq === before.seq + 1 &&
    !isLarge(before) &&
    !isLarge(next)
  )
}

function writeArguments(writer: ByteWriter, record: TaskRecord): void {
  if (isLarge(record)) {
    writer.lengthPrefixed(NO_MORE)
    return
  }
  const { argsAt, argsBytes } = record
  writer.varint(argsBytes)
  writer.range(argumentsOf(record), argsAt, argsAt + argsBytes)
}

/** A record without arguments. */
const NO_MORE = Uint8Array.of(0)

function argumentsOf({ args }: TaskRecord): Buffer {
  if (args === undefined) throw new Error('a task was pushed before its arguments were in')
  return args
}
