// Identity. Ids are immutable byte strings held as latin1 text (one char = one byte): cheap map
// keys, no equality helpers. Shown as hex.
//   JobId 4 B. ActorId = 8 B hash + JobId. TaskId = 12 B hash + JobId. ObjectId = TaskId + u32
//   index. WorkerId = u32 number + the start of its NodeId + the end of that life's epoch; a
//   driver's is random.
// Invariants:
//   D1. A TaskId depends only on its parent's TaskId and its index among the parent's submissions,
//       so the same program makes the same ids again (lineage replay, resumable jobs).
//   D2. Every id ends in (or, for objects, contains) the job it belongs to.
//   D3. Indices with the top bit set are `put`s; the others are returns, from 0.
// Source: Ray design_docs/id_specification.md (nested ids).
import type { Hash, Random } from './random.ts'

declare const brand: unique symbol
export type JobId = string & { readonly [brand]: 'JobId' }
export type TaskId = string & { readonly [brand]: 'TaskId' }
export type ActorId = string & { readonly [brand]: 'ActorId' }
export type ObjectId = string & { readonly [brand]: 'ObjectId' }
export type NodeId = string & { readonly [brand]: 'NodeId' }
export type WorkerId = string & { readonly [brand]: 'WorkerId' }
export type LeaseId = number & { readonly [brand]: 'LeaseId' }

export const JOB_ID_BYTES = 4
export const TASK_ID_BYTES = 16
export const ACTOR_ID_BYTES = 12
export const OBJECT_ID_BYTES = 20
export const NODE_ID_BYTES = 14
export const WORKER_ID_BYTES = 14
/** What a worker's id starts with: sockets and logs are named by it. */
export const WORKER_NUMBER_BYTES = 4
/** What follows, the first bytes of the node's id. */
export const WORKER_NODE_BYTES = 8

/** Indices from here on are objects made by `put`. */
export const PUT_INDEX_FIRST = 0x8000_0000

export const toBytes = (id: string): Buffer => Buffer.from(id, 'latin1')
export const fromBytes = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
export const toHex = (id: string): string => Buffer.from(id, 'latin1').toString('hex')
export const fromHex = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1')

export const newJobId = (random: Random): JobId => fromBytes(random.bytes(JOB_ID_BYTES)) as JobId
export const newNodeId = (random: Random): NodeId =>
  fromBytes(random.bytes(NODE_ID_BYTES)) as NodeId
export const newWorkerId = (random: Random): WorkerId =>
  fromBytes(random.bytes(WORKER_ID_BYTES)) as WorkerId

/** Unique on its node because it counts, in all lives of the node because the epoch does, and
 *  everywhere because the node's id is random. */
export function workerIdOf(nodeId: NodeId, epoch: number, number: number): WorkerId {
  const bytes = Buffer.allocUnsafe(WORKER_ID_BYTES)
  bytes.writeUInt32BE(number)
  bytes.write(nodeId.slice(0, WORKER_NODE_BYTES), WORKER_NUMBER_BYTES, 'latin1')
  bytes.writeUInt16BE(epoch % 2 ** 16, WORKER_NUMBER_BYTES + WORKER_NODE_BYTES)
  return fromBytes(bytes) as WorkerId
}

/** The first bytes of the id of the worker's node. */
export const nodeStartOf = (workerId: WorkerId): string =>
  workerId.slice(WORKER_NUMBER_BYTES, WORKER_NUMBER_BYTES + WORKER_NODE_BYTES)

/** The task that stands for the driver's main program: parent of everything it submits. */
export const driverTaskId = (jobId: JobId): TaskId => ('\0'.repeat(12) + jobId) as TaskId

/** The id of the `index`th task submitted by `parent` (D1). */
export function taskIdOf(hash: Hash, parent: TaskId, index: number): TaskId {
  return (derive(hash, 't', parent, index).toString('latin1', 0, 12) + jobIdOf(parent)) as TaskId
}

/** The same of another job. */
export const taskIdIn = (taskId: TaskId, jobId: JobId): TaskId =>
  (taskId.slice(0, -jobId.length) + jobId) as TaskId

/** The id of the `index`th actor made by `parent`. */
export function actorIdOf(hash: Hash, parent: TaskId, index: number): ActorId {
  return (derive(hash, 'a', parent, index).toString('latin1', 0, 8) + jobIdOf(parent)) as ActorId
}

export function objectIdOf(taskId: TaskId, index: number): ObjectId {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(index)
  return (taskId + bytes.toString('latin1')) as ObjectId
}

/** Which of its task's results it is, as objectIdOf() was told. */
export const indexOfObject = (id: ObjectId): number =>
  Buffer.from(id.slice(TASK_ID_BYTES), 'latin1').readUInt32LE()

export const jobIdOf = (id: TaskId): JobId => id.slice(TASK_ID_BYTES - JOB_ID_BYTES) as JobId
export const taskIdOfObject = (id: ObjectId): TaskId => id.slice(0, TASK_ID_BYTES) as TaskId
export const jobIdOfObject = (id: ObjectId): JobId => jobIdOf(taskIdOfObject(id))

function derive(hash: Hash, kind: string, parent: TaskId, index: number): Buffer {
  const bytes = Buffer.allocUnsafe(1 + TASK_ID_BYTES + 6)
  bytes.write(kind + parent, 0, 'latin1')
  bytes.writeUIntLE(index, 1 + TASK_ID_BYTES, 6)
  return Buffer.from(hash.sha256(bytes))
}
