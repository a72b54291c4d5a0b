// A task as it can be run again, by this process or by another: what it calls, with which
// arguments, and what is left to try. Its bytes are complete in themselves, so that they can be
// kept elsewhere (the lineage of design 2, step 7) and run by who adopts its results.
//   record ─ taskSpecOf ─► TaskSpec ─ encodeSpec ─► bytes ─ decodeSpec ─► TaskSpec ─ adopt ─►
//   Lineage ─ Recovery ─► Submitter.rerun
// Invariants:
//   TQ1. A spec run again makes the same TaskId, and so the same ObjectIds (D1 of ids.ts), as a
//        later attempt than any before it.
//   TQ2. Arguments that were small when it ran first are in its bytes; the others are named by
//        place, and looked for anew.
import { ProtocolError } from '../common/errors.ts'
import type { ObjectId, TaskId } from '../common/ids.ts'
import {
  bytes,
  count,
  flag,
  listOf,
  misfit,
  number,
  object,
  oneOf,
  optional,
  shape,
  text,
  type Fields,
} from '../common/shape.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import type { CoreWorker } from './core-worker.ts'
import { VALUE, BLOB, type ObjectEntry } from './object-entry.ts'
import { isActorObject, type References } from './references.ts'
import { Scope } from './scope.ts'
import { Timing, type LimitSpec, type RetryExceptions, type TaskKind } from './task-kind.ts'
import type { TaskRecord } from './task-record.ts'
import { templateOf } from './template-slots.ts'

/** An object that a task's arguments refer to: by place, or by a ref inside a value. */
export interface Dependency {
  readonly objectId: ObjectId
  /** Where its owner listens; undefined: this process owns it. */
  readonly ownerAddress: string | undefined
}

export interface TaskSpec {
  readonly kind: TaskKind
  /** Who submitted it: with the index, its id. */
  readonly scope: Scope
  readonly index: number
  /** Of its last run, from 0. */
  attempt: number
  /** How often it may be run yet; -1: for ever. */
  retriesLeft: number
  /** One record of task-frames.ts. */
  readonly args: Buffer
  readonly dependencies: readonly Dependency[]
}

/** What it takes to run a task again; to be called while it has its arguments. */
export function taskSpecOf(record: TaskRecord, references: References): TaskSpec {
  const { scope, index, attempt, retriesLeft, args, argsAt, argsBytes } = record
  // Its results keep no actor alive.
  const { holds: _handle, ...kind } = record.kind
  if (args === undefined) throw new Error('a spec was made of a task without its arguments')
  return {
    ...{ kind: record.kind.holds === undefined ? record.kind : kind },
    ...{ scope, index, attempt, retriesLeft },
    // A copy: the slab has the arguments of many others.
    args: Buffer.from(args.subarray(argsAt, argsAt + argsBytes)),
    dependencies: (record.holds ?? []).filter(isNeeded).map((entry) => ({
      objectId: references.idOf(entry),
      ownerAddress: entry.sharing?.ownerAddress,
    })),
  }
}

/** Not what is in the arguments as a value, nor actors: they live and die by their own rules. */
function isNeeded(entry: ObjectEntry): boolean {
  if (entry.id !== undefined && isActorObject(entry.id)) return false
  return entry.sharing !== undefined || (entry.state !== VALUE && entry.state !== BLOB)
}

interface WireSpec {
  readonly parent: TaskId
  readonly index: number
  readonly attempt: number
  readonly retriesLeft: number
  readonly template: TaskTemplate
  readonly scheduling?: ClassSpec
  readonly maxRetries: number
  readonly retryExceptions: RetryExceptions
  readonly limit?: LimitSpec
  readonly args: Uint8Array
  readonly dependencies: readonly { readonly objectId: ObjectId; readonly ownerAddress: string }[]
}

/** @param ownAddress  of this process, for what it owns. */
export function encodeSpec(codec: ValueCodec, spec: TaskSpec, ownAddress: string): Uint8Array {
  const { kind, scope, index, attempt, retriesLeft, args } = spec
  const { maxRetries, retryExceptions, scheduling, limit } = kind
  const dependencies = spec.dependencies.map(({ objectId, ownerAddress }) => ({
    ...{ objectId, ownerAddress: ownerAddress ?? ownAddress },
  }))
  const wire: WireSpec = {
    ...{ parent: scope.makerId, index, attempt, retriesLeft, args, dependencies },
    ...{ template: templateOf(kind), maxRetries, retryExceptions },
    ...(scheduling === undefined ? {} : { scheduling }),
    ...(limit === undefined ? {} : { limit }),
  }
  return codec.encode(wire, 'spec').toBytes()
}

/**
 * The spec of such bytes, to be run by `worker`.
 * @throws ProtocolError, DecodeError
 */
export function decodeSpec(worker: CoreWorker, encoded: Uint8Array): TaskSpec {
  const wire = checked(worker.deps.plainCodec.decode(encoded))
  const { index, attempt, retriesLeft } = wire
  return {
    ...{ kind: kindOf(wire), scope: scopeOf(worker, wire.parent), index, attempt, retriesLeft },
    args: Buffer.from(wire.args),
    dependencies: wire.dependencies.map(({ objectId, ownerAddress }) => ({
      objectId,
      ownerAddress: ownerAddress === worker.options.address ? undefined : ownerAddress,
    })),
  }
}

const template = shape({
  ...{ kind: oneOf('task', 'actor'), fn: object, name: text, jobId: text, numReturns: count },
  ...{ streaming: flag, streamBufferSize: count, resources: object, actorId: optional(text) },
})
const SPEC: Fields = {
  ...{ parent: text, index: count, attempt: count, retriesLeft: number, maxRetries: number },
  ...{ template, scheduling: optional(object), limit: optional(shape({ name: text })) },
  ...{ args: bytes, dependencies: listOf(shape({ objectId: text, ownerAddress: text })) },
}

function checked(value: unknown): WireSpec {
  const field = object(value) ? misfit(SPEC, value) : 'whole'
  if (field === undefined) return value as WireSpec
  throw new ProtocolError(
    `the spec of a task cannot be read: its ${field} is not what it must be. Use the same version ` +
      'of virga everywhere.',
    { data: { field } },
  )
}

function kindOf(wire: WireSpec): TaskKind {
  const { template: told, maxRetries, retryExceptions, scheduling, limit } = wire
  return {
    kind: told.kind,
    identity: () => told.fn,
    jobId: () => told.jobId,
    name: told.name,
    method: told.method,
    actorId: told.actorId,
    numReturns: told.numReturns,
    streaming: told.streaming,
    streamBufferSize: told.streamBufferSize,
    ...{ maxRetries, retryExceptions, scheduling, limit },
    timeoutMs: told.timeoutMs,
    maxCalls: told.maxCalls,
    concurrencyGroup: told.concurrencyGroup,
    signal: undefined,
    resources: told.resources,
    ...(told.ofDetached === true ? { ofDetached: true } : {}),
    timing: new Timing(),
  }
}

/** Of whoever submitted it first: only the ids of what it submitted are made of it. */
function scopeOf(worker: CoreWorker, taskId: TaskId): Scope {
  return new Scope({
    ...{ jobId: worker.jobId, hash: worker.deps.hash, taskId, name: 'lineage', attempt: 0 },
    ...{ resources: {}, gpuIds: [], mode: 'driver', coreWorker: worker },
  })
}
