// The object store of a simulated node: the real one over its arena, its disk and, of several
// nodes, the cluster's bucket.
import { crc32 } from 'node:zlib'
import type { Bucket } from '../../runtime/common/bucket.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { toHex } from '../../runtime/common/ids.ts'
import { ObjectStore } from '../../runtime/objects/store.ts'
import { openBucketStore } from '../../runtime/raylet/bucket-store.ts'
import type { NodeStore } from '../../runtime/raylet/node-store.ts'
import type { RayletDeps } from '../../runtime/raylet/raylet-ports.ts'
import type { SimDisk } from './disk.ts'
import type { SimArena } from './memory.ts'
import type { SimProcess } from './process.ts'

export interface SimStoreParts {
  readonly process: SimProcess
  readonly arena: SimArena
  readonly disk: SimDisk
  readonly sizeBytes: number
  readonly bucket: SimSpillBucket | undefined
}

export interface SimSpillBucket {
  /** As this node reaches it. */
  readonly bucket: Bucket
  readonly diskFirst: boolean
}

/** A full store refuses after this; programs read one value after the other. */
const FULL_TIMEOUT_MS = 2_000

export function openSimStore(
  { process, arena, disk, sizeBytes, bucket }: SimStoreParts,
  ...[clients, { nodeId, epoch }]: Parameters<RayletDeps['openStore']>
): NodeStore {
  const owner = `${toHex(nodeId)}-${epoch}` as const
  const parts = { disk, owner, sum: crc32, clock: process.clock }
  const { place: spill, ...shared } =
    bucket === undefined ? { place: disk } : openBucketStore({ ...bucket, ...parts })
  const store = new ObjectStore(
    { arena: arena.arena, spill, clock: process.clock, log: silentLog, clients },
    { sizeBytes, fullTimeoutMs: FULL_TIMEOUT_MS },
  )
  return { store, arena: { kind: 'shm', path: process.name, sizeBytes }, ...shared }
}
