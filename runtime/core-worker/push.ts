// Pushing tasks to a worker: one segment per run of tasks with the same kind, scope, attempt and
// consecutive indices, so that a batch of calls of one function is one header and one copy.
import type { ByteWriter } from '../protocol/byte-writer.ts'
import { SEGMENT_PUSH } from '../protocol/channel.ts'
import type { TaskTemplate } from '../protocol/messages.ts'
import { writePushHeader } from '../protocol/task-frames.ts'
import type { Peer, PeerChannel } from './peers.ts'
import { capturedBy } from './captured.ts'
import type { TaskKind } from './task-kind.ts'
import { PUSHED, type TaskRecord } from './task-record.ts'

export function pushTasks(peer: Peer, records: readonly TaskRecord[]): void {
  for (const record of records) {
    record.phase = PUSHED
    record.peer = peer
    record.seq = peer.nextSeq++
    peer.inFlight.set(record.seq, record)
  }
  peer.with((channel) => {
    for (let from = 0; from < records.length;) from = pushRun(peer, channel, records, from)
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
  while (to < records.length && continues(first, records[to] as TaskRecord, to - from)) to += 1
  const slot = slotOf(peer, channel, first.kind)
  channel.segment(SEGMENT_PUSH, (writer) => {
    writePushHeader(writer, {
      slot,
      attempt: first.attempt,
      firstSeq: first.seq,
      parent: first.scope.taskId,
      firstIndex: first.index,
      count: to - from,
    })
    for (let at = from; at < to; at += 1) writeArguments(writer, records[at] as TaskRecord)
  })
  return to
}

function continues(first: TaskRecord, next: TaskRecord, distance: number): boolean {
  return (
    next.kind === first.kind &&
    next.index === first.index + distance &&
    next.attempt === first.attempt &&
    next.scope === first.scope &&
    next.seq === first.seq + distance
  )
}

function writeArguments(writer: ByteWriter, record: TaskRecord): void {
  if (record.args === undefined) throw new Error('a task was pushed before its arguments were in')
  writer.lengthPrefixed(record.args)
}

function slotOf(peer: Peer, channel: PeerChannel, kind: TaskKind): number {
  const known = peer.slots.get(kind)
  if (known !== undefined) return known
  const template = templateOf(kind)
  const content = JSON.stringify(template)
  let slot = peer.slotsByContent.get(content)
  if (slot === undefined) {
    slot = peer.slotsByContent.size
    peer.slotsByContent.set(content, slot)
    channel.notify('template', { slot, template })
  }
  peer.slots.set(kind, slot)
  return slot
}

function templateOf(kind: TaskKind): TaskTemplate {
  return {
    kind: kind.kind,
    fn: kind.identity(),
    name: kind.name,
    jobId: kind.jobId(),
    numReturns: kind.numReturns,
    streaming: kind.streaming,
    streamBufferSize: kind.streamBufferSize,
    reportStart: kind.timeoutMs !== undefined,
    resources: kind.resources,
    ...(kind.method === undefined ? {} : { method: kind.method }),
    ...(kind.actorId === undefined ? {} : { actorId: kind.actorId }),
    ...(kind.timeoutMs === undefined ? {} : { timeoutMs: kind.timeoutMs }),
    ...(kind.maxCalls === undefined ? {} : { maxCalls: kind.maxCalls }),
    ...(kind.concurrencyGroup === undefined ? {} : { concurrencyGroup: kind.concurrencyGroup }),
    ...capturedBy(kind.scheduling?.strategy),
  }
}
