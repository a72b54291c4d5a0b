// Builds the object store of a raylet's process: shared memory, or a file in the session folder
// where there is none, and a spill place: the local disk, a bucket of S3, or one after the other.
import { statfsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { systemClock } from '../common/clock-system.ts'
import { CapacityError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import { PAGE_BYTES } from '../objects/arena.ts'
import type { Arena } from '../objects/arena-access.ts'
import { createFileArena } from '../objects/arena-file.ts'
import { createShmArena } from '../objects/arena-shm.ts'
import { FileSpill } from '../objects/spill-file.ts'
import { ObjectStore, type StoreClients } from '../objects/store.ts'
import { openBucketStore, type BucketStore } from './bucket-store.ts'
import type { NodeStore, SpillOwner } from './node-store.ts'

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
  const { place, ...shared } = await openSpill(deps, options)
  const { arena, kind } = await openArena(deps, options)
  const store = new ObjectStore(
    { ...deps, arena, spill: place, clock: systemClock },
    { sizeBytes: arena.sizeBytes },
  )
  return {
    store,
    arena: { kind, path: arena.path, sizeBytes: arena.sizeBytes },
    ...shared,
  }
}

async function openSpill(
  { log, random }: NodeStoreDeps,
  { sessionDir, spill }: NodeStoreOptions,
): Promise<Pick<BucketStore, 'place'> | BucketStore> {
  const disk = new FileSpill({ folder: join(sessionDir, 'spill') })
  if (spill === undefined) return { place: disk }
  const { bucket: url, endpoint, diskFirst, owner } = spill
  const { loadBucket } = await import('../gcs/bucket-loader.ts')
  const deps = { clock: systemClock, random, log }
  const bucket = await loadBucket(deps, url, endpoint === undefined ? {} : { endpoint })
  return openBucketStore({ bucket, disk, diskFirst, owner, sum: crc32, clock: systemClock })
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
