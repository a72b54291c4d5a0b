// The spill places that need nothing but this machine keep the contract: a folder on disk, this
// process's memory, a bucket in memory with a disk for what is larger than the arena.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeEach } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { BucketSpill } from '../../../runtime/objects/spill-bucket.ts'
import { FileSpill, directFiles } from '../../../runtime/objects/spill-file.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { TieredSpill } from '../../../runtime/objects/spill-tiers.ts'
import { MemoryBucket } from '../../support/memory-bucket.ts'
import { diskOf } from '../../unit/objects/spill-disk.ts'
import { MIB, spillContract } from './spill-contract.ts'

const root = mkdtempSync(join(tmpdir(), 'virga-spill-'))
let folder = ''
let folders = 0

beforeEach(() => {
  folder = join(root, String(folders++))
})

afterAll(() => {
  rmSync(root, { recursive: true })
})

/** A folder is made by the first file in it. */
const countOf = (path: string): number =>
  readdirSync(root, { recursive: true }).filter((name) =>
    join(root, String(name)).startsWith(`${path}/`),
  ).length

spillContract({
  name: 'a folder',
  make: () => ({
    place: new FileSpill({ folder }),
    direct: directFiles,
    countFiles: async () => countOf(folder),
    damage: async (path, change) => {
      if (change === undefined) rmSync(path)
      else writeFileSync(path, change(readFileSync(path)))
    },
  }),
  makeFull: () => {
    const disk = diskOf()
    return {
      place: new FileSpill({ folder, disk }),
      reason: 'disk-full',
      countFiles: async () => countOf(folder),
      heal: () => {
        disk.isFull = false
      },
    }
  },
})

spillContract({
  name: 'memory',
  make: () => {
    const place = new MemorySpill({ capacityBytes: 64 * MIB })
    return {
      place,
      direct: place.direct,
      countFiles: async () => place.paths.length,
      damage: async (path, change) => {
        const { files } = place
        files.replace(path, change?.(files.bytesOf(path)))
      },
    }
  },
  makeFull: () => {
    const place = new MemorySpill({ capacityBytes: MIB })
    return {
      place,
      reason: 'disk-full',
      countFiles: async () => place.paths.length,
      heal: () => {
        place.files.capacityBytes = 64 * MIB
      },
    }
  },
})

spillContract({
  name: 'a bucket with a disk beside it',
  make: () => {
    const bucket = new MemoryBucket()
    return {
      place: new TieredSpill({
        disk: new FileSpill({ folder }),
        bucket: new BucketSpill({ bucket, owner: 'ab-0', sum: crc32, clock: systemClock }),
        diskFirst: false,
      }),
      direct: directFiles,
      countFiles: async () => bucket.objects.size + bucket.uploads.size + countOf(folder),
      damage: async (path, change) => {
        if (path.startsWith(folder)) writeFileSync(path, change?.(readFileSync(path)) ?? '')
        else bucket.damage(path, change)
      },
    }
  },
  makeFull: () => {
    const bucket = new MemoryBucket()
    bucket.failing = new Set(['put', 'startUpload'])
    const disk = diskOf()
    return {
      place: new TieredSpill({
        disk: new FileSpill({ folder, disk }),
        bucket: new BucketSpill({ bucket, owner: 'ab-0', sum: crc32, clock: systemClock }),
        diskFirst: true,
      }),
      reason: 'bucket',
      countFiles: async () => bucket.objects.size + bucket.uploads.size + countOf(folder),
      heal: () => {
        bucket.failing = new Set()
      },
    }
  },
})
