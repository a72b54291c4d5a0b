// Pushing tasks to a worker: one segment per run of tasks with the same kind, scope and attempt and
// with rising indices, so that a batch of calls of one function is one header and one copy.
import type { ByteWriter } from '../protocol/byte-writer.ts'
import { SEGMENT_PUSH } from '../protocol/channel.ts'
import { writePushHeader } from '../protocol/task-frames.ts'
import type { Peer, PeerChannel } from './peers.ts'
import { PUSHED, type TaskRecord } from './task-record.ts'

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
  channel.segment(SEGMENT_PUSH, (writer) => {
    writePushHeader(writer, {
      slot,
      attempt: first.attempt,
      firstSeq: first.seq,
      parent: first.scope.taskId,
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

/** Indices may skip what the scope submitted elsewhere: calls of several actors in turn. */
function follows(before: TaskRecord, next: TaskRecord): boolean {
  return (
    next.kind === before.kind &&
    next.index > before.index &&
    next.attempt === before.attempt &&
    next.scope === before.scope &&
    next.seq === before.seq + 1
  )
}

function writeArguments(writer: ByteWriter, record: TaskRecord): void {
  const { args, argsAt, argsBytes } = record
  if (args === undefined) throw new Error('a task was pushed before its arguments were in')
  writer.varint(argsBytes)
  writer.range(args, argsAt, argsAt + argsBytes)
}
