// How an object of this process is made again by another one: by its value, where it is small and
// known, by running its task once more, or, of what was put, from a copy alone.
import type { ObjectId } from '../common/ids.ts'
import { encodeTask, partsOf, type AdoptableTask } from './adoptable-task.ts'
import type { EncodedArguments } from './arguments.ts'
import { blobOf } from './failure.ts'
import type { CoreWorker } from './core-worker.ts'
import { BLOB, FAILED, VALUE, type ObjectEntry } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'
import { SPEC_STORED, SPEC_TASK, SPEC_VALUE, specOf } from './ref-lineage.ts'

/** undefined: it cannot be. */
export function objectSpec(worker: CoreWorker, entry: ObjectEntry): Uint8Array | undefined {
  if (entry.state === VALUE) return specOf(SPEC_VALUE, blobOf(worker.codec, entry.value))
  if (entry.state === BLOB) return specOf(SPEC_VALUE, entry.value as Uint8Array)
  const task = taskOf(worker, entry)
  if (task !== undefined) return specOf(SPEC_TASK, encodeTask(worker, task.call, task.args))
  return entry.state === FAILED
    ? undefined
    : specOf(SPEC_STORED, Buffer.from(notRunAgain(worker, entry)))
}

/** Of what only copies are left of: what has made it, or is to; empty for what was put. */
function notRunAgain(worker: CoreWorker, entry: ObjectEntry): string {
  const { task } = entry
  const kept = worker.lineage.find(worker.references.idOf(entry))
  const name = task?.kind.name ?? kept?.name
  if (name === undefined) return ''
  if (task?.kind.kind === 'actor' || kept?.isActorCall === true) return `the actor call ${name}`
  return task?.stream === undefined ? `${name} (maxRetries: 0)` : `the stream ${name}`
}

interface Told {
  readonly call: AdoptableTask['call']
  readonly args: Pick<EncodedArguments, 'count' | 'parts'>
}

/** The task that makes it, or has made it. */
function taskOf(worker: CoreWorker, entry: ObjectEntry): Told | undefined {
  const { task } = entry
  if (task !== undefined) return inFlight(worker, task)
  const { spec } = worker.lineage.find(worker.references.idOf(entry)) ?? {}
  if (spec === undefined || spec.kind.kind === 'actor') return undefined
  const needed = new Map(spec.dependencies.map((each) => [each.objectId, each]))
  const find = (objectId: ObjectId): ObjectEntry =>
    worker.recovery.entryOf(needed.get(objectId) ?? { objectId, ownerAddress: undefined })
  return { call: spec, args: partsOf(spec.args, find) }
}

function inFlight(worker: CoreWorker, task: TaskRecord): Told | undefined {
  const { kind, args: slab, argsAt, argsBytes, holds = [], stream } = task
  if (kind.kind === 'actor' || kind.maxRetries === 0 || stream !== undefined) return undefined
  const find = (objectId: ObjectId): ObjectEntry =>
    holds.find((entry) => entry.id === objectId) ??
    worker.recovery.entryOf({ objectId, ownerAddress: undefined })
  const args =
    slab === undefined
      ? worker.awaited?.get(task)
      : partsOf(slab.subarray(argsAt, argsAt + argsBytes), find)
  return args && { call: task, args }
}
