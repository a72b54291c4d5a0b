// A node of the tests of pulls, and what is made in its store and read there.
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import type { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import type { ObjectStore } from '../../../runtime/objects/store.ts'
import type { ObjectPulls } from '../../../runtime/raylet/cluster/object-pulls.ts'

export const MIB = 1024 * 1024
export const STORE_BYTES = 64 * MIB
/** More than two chunks. */
export const SIZE_BYTES = 9 * MIB

export interface TestNode {
  readonly nodeId: string
  readonly arena: MemoryArena
  readonly store: ObjectStore
  readonly pulls: ObjectPulls
  /** Nodes that were asked for something, in order. */
  readonly asked: string[]
  /** What it gives is damaged on its way. */
  damages: boolean
  away: boolean
}

export interface SmallNode extends TestNode {
  readonly spill: MemorySpill
}

/** An object in a file of its own. */
export async function makeLarge({ store, spill }: SmallNode, objectId: string): Promise<Buffer> {
  const bytes = Buffer.from(Array.from({ length: SIZE_BYTES }, (_, i) => (i * 7 + (i >> 8)) & 255))
  const { path } = await store.create('maker', objectId, SIZE_BYTES)
  await spill.direct.write(path ?? '', bytes)
  await store.seal(objectId)
  return bytes
}

/** What a pin gives, of an object in a file of its own. */
export async function readLarge(
  { pulls, spill }: SmallNode,
  objectId: string,
): Promise<Uint8Array> {
  const { offset, sizeBytes, path = '', checksum = 0 } = await pulls.pin('client', objectId)
  return await spill.direct.read({ offset, sizeBytes, path, checksum })
}

export const sentBy = ({ store }: TestNode): number => store.stats().totals.sentBytes

export async function make(
  { store, arena }: TestNode,
  objectId: string,
  sizeBytes = SIZE_BYTES,
): Promise<Buffer> {
  const bytes = Buffer.from(Array.from({ length: sizeBytes / 16 }, (_, i) => i % 251)).fill(3, 0, 9)
  const whole = Buffer.concat(Array.from({ length: 16 }, () => bytes))
  const { offset } = await store.create('maker', objectId, sizeBytes)
  await arena.write(offset, whole)
  await store.seal(objectId)
  return whole
}

export async function read({ arena }: TestNode, offset: number): Promise<Uint8Array> {
  return Uint8Array.from(await arena.read(offset, SIZE_BYTES))
}

export const rowOf = (nodeId: string): NodeRow =>
  ({ nodeId, address: nodeId, state: 'ALIVE', epoch: 1 }) as NodeRow
