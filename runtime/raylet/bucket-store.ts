// What a node that spills to a bucket has of it: the place where its objects go when the store is
// full, what it shares with all nodes, and how what others have left there is swept.
import { assert } from '../common/assert.ts'
import type { Bucket } from '../common/bucket.ts'
import type { Clock } from '../common/clock.ts'
import { BucketSpill, sweepSpill, type BucketSpillOptions } from '../objects/spill-bucket.ts'
import { TieredSpill } from '../objects/spill-tiers.ts'
import type { SpillPlace } from '../objects/spill.ts'
import type { NodeStore, SharedBucket, SpillOwner } from './node-store.ts'

export interface BucketStoreOptions {
  readonly bucket: Bucket
  readonly disk: SpillPlace
  /** Whether the disk is used while it has room. */
  readonly diskFirst: boolean
  /** This node and epoch: names what it writes. */
  readonly owner: SpillOwner
  readonly sum: BucketSpillOptions['sum']
  readonly clock: Clock
}

export interface BucketStore extends Required<Pick<NodeStore, 'bucket' | 'sweep'>> {
  readonly place: SpillPlace
}

export function openBucketStore(options: BucketStoreOptions): BucketStore {
  const { bucket, disk, diskFirst, owner, sum, clock } = options
  assert(bucket.name.endsWith('/'), `a bucket's name ends in a slash, not as ${bucket.name}`)
  const inBucket = new BucketSpill({ bucket, owner, sum, clock })
  return {
    place: new TieredSpill({ disk, diskFirst, bucket: inBucket }),
    bucket: sharedBucket(options, inBucket),
    sweep: (dead) => sweepSpill(bucket, dead),
  }
}

/** What is kept for a job lies below its id, then below the node that wrote it. */
function sharedBucket(
  { bucket, owner, sum, clock }: BucketStoreOptions,
  inBucket: SpillPlace,
): SharedBucket {
  let keptCount = 0
  return {
    read: (range, sink) => inBucket.read(range, sink),
    holds: (path) => path.startsWith(bucket.name),
    keep: async (jobId, source) => {
      // A place for each: it would remember what it wrote, and only a job's home hears of its end.
      const place = new BucketSpill({
        bucket,
        owner: `${jobId}/${owner}/${String(keptCount++)}`,
        ...{ sum, clock },
      })
      const [range] = await place.write([source])
      assert(range !== undefined, 'one object was written, and none has a place')
      return range
    },
    forget: (jobId) => sweepSpill(bucket, jobId),
  }
}
