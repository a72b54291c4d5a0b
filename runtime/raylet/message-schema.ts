// What each message to a raylet must look like, checked before anything acts on it (pure): a client
// of another version, or a broken one, must not leave the brain half changed.
import { ProtocolError } from '../common/errors.ts'
import {
  amount,
  bytes,
  count,
  flag,
  listOf,
  misfit,
  number,
  object,
  oneOf,
  optional,
  recordOf,
  shape,
  text,
  type Fields,
  type Shape,
} from '../common/shape.ts'
import { showValue } from '../common/show-value.ts'
import type { RayletCalls, RayletNotices } from '../protocol/messages.ts'
import type { TaskEventRun } from '../protocol/task-events.ts'

const strategy: Shape = (value) => {
  if (!object(value)) return false
  const { kind, groupId, bundleIndex, nodeId } = value
  if (kind === 'PLACEMENT_GROUP') return text(groupId) && Number.isSafeInteger(bundleIndex)
  if (kind === 'NODE_AFFINITY') return text(nodeId)
  return kind === 'DEFAULT' || kind === 'SPREAD'
}
const error = shape({ code: text, message: text })
export const classShape = shape({
  demand: recordOf(amount),
  strategy,
  labelSelectors: listOf(recordOf(text)),
  holder: optional(text),
  env: optional(shape({ envVars: recordOf(text), workingDir: optional(text) })),
  name: text,
  inspect: flag,
  retriable: flag,
})
export const waitingShape = shape({ taskId: text, name: text, actorId: optional(text) })
const kind = oneOf('task', 'actor')
const progress = shape({
  ...{ name: text, kind },
  ...{ pending: count, running: count, done: count, failed: count },
})
const column: Shape = (value) => value instanceof Float64Array
const eventColumns = shape({
  ...{ parent: text, name: text, kind, state: oneOf('FINISHED', 'FAILED'), attempt: count },
  ...{ indices: column, startsMs: column, endsMs: column },
})
const eventRun: Shape = (value) => {
  if (!eventColumns(value)) return false
  const { indices, startsMs, endsMs } = value as TaskEventRun
  return startsMs.length === indices.length && endsMs.length === indices.length
}
export const jobShape = shape({
  ...{ jobId: text, name: text, namespace: text, entry: optional(text), cwd: text },
  ...{ argv: listOf(text), execArgv: listOf(text), env: recordOf(text), modules: listOf(text) },
  logToDriver: flag,
  durable: optional(flag),
})

export const groupFields: Fields = {
  ...{ groupId: text, jobId: text, name: text, detached: flag, ofDetached: optional(flag) },
  strategy: oneOf('PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD'),
  bundles: listOf(recordOf(amount)),
}
const actor: Fields = {
  ...{ actorId: text, jobId: text, name: optional(text), namespace: text, className: text },
  ofDetached: optional(flag),
  ...{ detached: flag, getIfExists: flag, maxRestarts: number, maxTaskRetries: number },
  ...{ maxConcurrency: number, concurrencyGroups: recordOf(number), maxPendingCalls: number },
  ...{ methods: recordOf(object), scheduling: classShape, defaultResources: flag },
  ...{ fn: shape({ home: text, ordinal: count, hash: text, name: text }) },
  ...{ args: bytes, failed: optional(error), owner: text },
}
export const actorShape = shape(actor)

const NOTHING: Fields = {}

const CALLS: Readonly<Record<keyof RayletCalls, Fields>> = {
  hello: {
    ...{ workerId: text, role: oneOf('driver', 'worker', 'cli'), pid: count, address: text },
    job: optional(jobShape),
  },
  commitSpecs: { sequences: listOf(count), sizes: listOf(count), specs: bytes, urgent: flag },
  readSpec: {
    ...{ nodeId: text, epoch: count, owner: text, sequence: count },
    segment: optional(count),
  },
  adoptOwner: { objectId: text, owner: text, address: text, leaves: optional(flag) },
  findObject: { objectId: text },
  keepObject: { objectId: text },
  handOn: { objectIds: listOf(text) },
  createActor: actor,
  findActor: { name: text, namespace: text },
  watchActor: { actorId: text, homeId: optional(text), homeEpoch: optional(count) },
  killActor: { actorId: text, noRestart: flag, homeId: optional(text) },
  storeCreate: { objectId: text, sizeBytes: count, owner: optional(text) },
  storeSeal: { objectId: text },
  storeDrop: { objectIds: listOf(text) },
  storePin: { objectId: text, nodeId: optional(text) },
  locateObjects: { objectIds: listOf(text), unread: listOf(text) },
  createGroup: groupFields,
  awaitGroup: { groupId: text },
  removeGroup: { groupId: text },
  state: { kind: text, limit: optional(count), after: optional(text) },
  drainOutput: NOTHING,
  stop: NOTHING,
  awaitStop: NOTHING,
}

const NOTICES: Readonly<Record<keyof RayletNotices, Fields>> = {
  wantLeases: { classId: count, count, spec: optional(classShape) },
  returnLease: { leaseId: count, retire: optional(flag) },
  killLease: { leaseId: count, isCut: optional(flag) },
  actorHandlesGone: { actorId: text },
  actorReady: { actorId: text, incarnation: count, address: text },
  actorFailed: { actorId: text, error },
  actorExiting: { actorId: text, error: optional(error) },
  entryFirst: { actorId: optional(text) },
  staying: {},
  owning: { isOwner: flag },
  blocked: {
    ...{
      waitId: count,
      taskId: text,
      actorId: optional(text),
      name: text,
      on: listOf(waitingShape),
    },
    ...{ limit: optional(text), group: optional(text), need: optional(count) },
    isDependency: optional(flag),
    forReader: optional(flag),
    check: optional(count),
  },
  unblocked: { waitId: count },
  storeAbort: { objectId: text },
  storeUnpin: { objectId: text, count },
  storeUnwant: { objectId: text },
  storeDamaged: { objectId: text },
  storeFree: { objectIds: listOf(text), at: optional(text) },
  taskEvents: { pid: count, runs: listOf(eventRun), droppedCount: count },
  progress: { functions: listOf(progress) },
  dropSpecs: { sequences: listOf(count) },
  takeTokens: { name: text, concurrency: optional(amount), perSecond: optional(amount), count },
  returnTokens: { name: text, count, unused: flag },
}

/**
 * What is none of ours is let pass: whoever handles it says that it is unknown.
 * @throws ProtocolError that names the field.
 */
export function checkMessage(what: 'call' | 'notice', type: string, message: object): void {
  const all: Readonly<Record<string, Fields>> = what === 'call' ? CALLS : NOTICES
  const fields = Object.hasOwn(all, type) ? all[type] : undefined
  const field = fields && misfit(fields, message)
  if (field === undefined) return
  const value = (message as Record<string, unknown>)[field]
  throw new ProtocolError(
    `a malformed message '${type}' arrived: its field '${field}' cannot be ${showValue(value)}. ` +
      'Use the same version of virga on both sides.',
    { data: { type, field } },
  )
}
