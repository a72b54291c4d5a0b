// Spilling to S3 keeps the contract of every spill place, on an emulator over the real SDK, and
// through a proxy that makes the faults of a network and of a service.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { S3Bucket } from '../../../runtime/gcs/bucket-s3.ts'
import { BucketSpill, sweepSpill } from '../../../runtime/objects/spill-bucket.ts'
import { FileSpill, directFiles } from '../../../runtime/objects/spill-file.ts'
import { TieredSpill } from '../../../runtime/objects/spill-tiers.ts'
import { clientDeps } from '../../support/dynamo-storage.ts'
import {
  BUCKET,
  REGION,
  WITH_S3,
  describeOn,
  startCloud,
  type TestCloud,
} from '../../support/emulator.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts'
import { diskOf } from '../../unit/objects/spill-disk.ts'
import { MIB, pattern, readAll, sourceOf, spillContract } from './spill-contract.ts'

let prefixes = 0

/** A prefix of its own in the bucket. @param bucket  default: one that exists. */
const bucketAt = (endpoint: string, bucket = BUCKET): S3Bucket => {
  const prefix = `p${String(prefixes++)}/`
  return new S3Bucket(clientDeps(), { bucket, prefix, endpoint, region: REGION })
}

const spillTo = (bucket: S3Bucket): BucketSpill =>
  new BucketSpill({ bucket, owner: 'ab-0', sum: crc32, clock: systemClock })

const countOf = async (bucket: S3Bucket): Promise<number> =>
  (await bucket.list('', { limit: 100 })).length + (await bucket.listUploads('')).length

for (const engine of WITH_S3) {
  const cloud = await startCloud(engine)
  describeOn(cloud, `in S3 of ${engine}`, spillsTo)
}

function spillsTo(cloud: TestCloud): void {
  const { endpoint } = cloud
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'virga-spill-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })
  afterAll(() => cloud.stop())

  spillContract({
    name: 'S3 with a disk beside it',
    make: () => {
      const bucket = bucketAt(endpoint)
      return {
        place: new TieredSpill({
          disk: new FileSpill({ folder }),
          bucket: spillTo(bucket),
          diskFirst: false,
        }),
        direct: directFiles,
        countFiles: async () => (await countOf(bucket)) + readdirSync(folder).length,
        damage: async (path, change) => {
          const key = path.slice(bucket.name.length)
          if (path.startsWith(folder)) writeFileSync(path, change?.(readFileSync(path)) ?? '')
          else if (change === undefined) await bucket.delete(key)
          else await bucket.put(key, change((await bucket.get(key)) ?? Buffer.of()))
        },
      }
    },
    makeFull: () => {
      const missing = bucketAt(endpoint, 'virga-no-such-bucket')
      const disk = diskOf()
      return {
        place: new TieredSpill({
          disk: new FileSpill({ folder, disk }),
          bucket: spillTo(missing),
          diskFirst: true,
        }),
        reason: 'bucket',
        countFiles: async () => readdirSync(folder).length,
        heal: () => {
          disk.isFull = false
        },
      }
    },
  })

  // What the bytes meet on their way is the proxy's doing: one engine behind it is enough.
  if (cloud.engine !== 'ministack') return

  describe('through faults', () => {
    let proxy: FaultProxy
    beforeAll(async () => {
      proxy = await startFaultProxy(endpoint, 1)
    })
    afterAll(() => proxy.stop())

    it.each<Fault>([
      'refuse',
      'delay',
      'error-before',
      'execute-then-error',
      'in-flight-error',
      'throttle',
      'truncate',
      'duplicate',
    ])('F39: every byte comes back as it was, and nothing is left, with "%s"', async (fault) => {
      const bucket = bucketAt(proxy.endpoint)
      const place = spillTo(bucket)
      proxy.set([{ fault, when: { every: 3 } }])
      const bytes = pattern(30 * MIB + 7)
      const ranges = await place.write([sourceOf(bytes), sourceOf(pattern(1000))])
      const [large, small] = ranges
      if (large === undefined || small === undefined) throw new Error('two ranges were due')
      expect(Buffer.compare(await readAll(place, small), pattern(1000))).toBe(0)
      expect(Buffer.compare(await readAll(place, large), bytes)).toBe(0)
      for (const range of ranges) await place.remove(range)
      proxy.set([])
      await sweepSpill(bucket, 'ab-0')
      expect(await countOf(bucket)).toBe(0)
    })
  })
}
