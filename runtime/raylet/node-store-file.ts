// Builds the object store of a raylet's process: shared memory, or a file in the session folder
// where there is none, and a spill place: the local disk, a bucket of S3, or one after the other.
import { statfsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { systemClock } from '../common/clock-system.ts'
import { assert } from '../common/assert.ts'
import type { Bucket } from '../common/bucket.ts'
import { CapacityError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import { PAGE_BYTES } from '../objects/arena.ts'
import type { Arena } from '../objects/arena-access.ts'
import { createFileArena } from '../objects/arena-file.ts'
import { createShmArena } from '../objects/arena-shm.ts'
import { BucketSpill, sweepSpill } from '../objects/spill-bucket.ts'
import { FileSpill } from '../objects/spill-file.ts'
import { TieredSpill } from '../objects/spill-tiers.ts'
import type { SpillPlace } from '../objects/spill.ts'
import { ObjectStore, type StoreClients } from '../objects/store.ts'
import type { NodeStore, SharedBucket, SpillOwner } from './node-store.ts'

export interface NodeStoreOptions {
  readonly sessionDir: string
  /**
   * Default: its share of 30 % of memory, and of no more than 80 % of what is free in /dev/shm.
   */
  readonly sizeBytes?: number
  /** How many stores share this machine. */
  readonly nodesHere: number
  readonly kind: 'shm' | 'file'
  /** Default: the local disk. */
  readonly spill?: SpillTarget & {
    /** This node and epoch: names what it writes. */
    readonly owner: SpillOwner
  }
}

/** What `VIRGA_SPILL` says: `disk`, `s3://bucket/prefix`, `disk,s3://bucket/prefix`. */
export interface SpillTarget {
  /** `s3://bucket/prefix`. */
  readonly bucket: string
  /** Whether the disk is used while it has room. */
  readonly diskFirst: boolean
  /** An emulator. Default: AWS. */
  readonly endpoint?: string
}

export interface NodeStoreDeps {
  readonly log: Log
  readonly random: Random
  readonly clients?: StoreClients
}

/** Source: Ray object_store_memory, 30 % of memory. */
const MEMORY_SHARE = 0.3
/** Others use /dev/shm too. */
const SHM_SHARE = 0.8

export async function openNodeStore(
  deps: NodeStoreDeps,
  options: NodeStoreOptions,
): Promise<NodeStore> {
  const { place, bucket, shared } = await openSpill(deps, options)
  const { arena, kind } = await openArena(deps, options)
  const store = new ObjectStore(
    { ...deps, arena, spill: place, clock: systemClock },
    { sizeBytes: arena.sizeBytes },
  )
  return {
    store,
    arena: { kind, path: arena.path, sizeBytes: arena.sizeBytes },
    ...(shared === undefined ? {} : { bucket: shared }),
    ...(bucket === undefined ? {} : { sweep: (owner) => sweepSpill(bucket, owner) }),
  }
}

async function openSpill(
  { log, random }: NodeStoreDeps,
  { sessionDir, spill }: NodeStoreOptions,
): Promise<{
  readonly place: SpillPlace
  readonly bucket?: Bucket
  readonly shared?: SharedBucket
}> {
  const disk = new FileSpill({ folder: join(sessionDir, 'spill') })
  if (spill === undefined) return { place: disk }
  const { bucket: url, endpoint, diskFirst, owner } = spill
  const { loadBucket } = await import('../gcs/bucket-loader.ts')
  const deps = { clock: systemClock, random, log }
  const bucket = await loadBucket(deps, url, endpoint === undefined ? {} : { endpoint })
  const inBucket = new BucketSpill({ bucket, owner, sum: crc32 })
  const shared = sharedBucket(bucket, inBucket, owner)
  return { place: new TieredSpill({ disk, diskFirst, bucket: inBucket }), bucket, shared }
}

/** What is kept for a job lies below its id, then below the node that wrote it. */
function sharedBucket(bucket: Bucket, inBucket: SpillPlace, owner: SpillOwner): SharedBucket {
  const byJob = new Map<string, SpillPlace>()
  const placeOf = (jobId: string): SpillPlace => {
    const known = byJob.get(jobId)
    const place = known ?? new BucketSpill({ bucket, owner: `${jobId}/${owner}`, sum: crc32 })
    byJob.set(jobId, place)
    return place
  }
  return {
    read: (range, sink) => inBucket.read(range, sink),
    holds: (path) => path.startsWith(bucket.name),
    keep: async (jobId, source) => {
      const [range] = await placeOf(jobId).write([source])
      assert(range !== undefined, 'one object was written, and none has a place')
      return range
    },
    forget: async (jobId) => {
      byJob.delete(jobId)
      await sweepSpill(bucket, jobId)
    },
  }
}

async function openArena(
  { log }: NodeStoreDeps,
  { sessionDir, sizeBytes, kind, nodesHere }: NodeStoreOptions,
): Promise<{ readonly arena: Arena; readonly kind: 'shm' | 'file' }> {
  if (kind === 'shm') {
    try {
      return {
        arena: createShmArena({ sizeBytes: wholePages(sizeBytes ?? defaultShm(nodesHere)) }),
        kind,
      }
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error
      log.warn('no shared memory: objects are copied through a file', { error: error.message })
    }
  }
  const path = join(sessionDir, 'objects')
  const size = wholePages(sizeBytes ?? (totalmem() * MEMORY_SHARE) / nodesHere)
  return { arena: await createFileArena({ path, sizeBytes: size }), kind: 'file' }
}

/** @throws CapacityError where there is no /dev/shm, so that a file serves */
function defaultShm(nodesHere: number): number {
  const { bavail, bsize } = shmRoom()
  return Math.min(totalmem() * MEMORY_SHARE, bavail * bsize * SHM_SHARE) / nodesHere
}

function shmRoom(): { readonly bavail: number; readonly bsize: number } {
  try {
    return statfsSync('/dev/shm')
  } catch (cause) {
    throw new CapacityError('This machine has no /dev/shm.', { cause, data: { reason: 'no-shm' } })
  }
}

const wholePages = (sizeBytes: number): number =>
  Math.max(PAGE_BYTES, Math.floor(sizeBytes / PAGE_BYTES) * PAGE_BYTES)
