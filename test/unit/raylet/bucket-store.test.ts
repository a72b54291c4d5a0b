// What a node has of the cluster's bucket: what it keeps there for jobs.
import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { AssertionError } from '../../../runtime/common/assert.ts'
import type { Bucket } from '../../../runtime/common/bucket.ts'
import { openBucketStore, type BucketStore } from '../../../runtime/raylet/bucket-store.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { MIB, pattern, sourceOf } from '../../contract/objects/spill-contract.ts'
import { MemoryBucket } from '../../support/memory-bucket.ts'

const open = (bucket: Bucket): BucketStore => {
  const disk = new MemorySpill({ capacityBytes: MIB })
  return openBucketStore({
    bucket,
    disk,
    diskFirst: true,
    owner: 'ab-1',
    sum: crc32,
    clock: systemClock,
  })
}

test('what is kept for a job has a place of its own, also after that job was forgotten', async () => {
  const { bucket: shared } = open(new MemoryBucket())
  const first = await shared.keep('job', sourceOf(pattern(MIB)))
  const large = await shared.keep('job', sourceOf(pattern(20 * MIB)))
  await shared.forget('job')
  const late = await shared.keep('job', sourceOf(pattern(MIB)))
  expect(new Set([first, large, late].map(({ path }) => path)).size).toBe(3)
  for (const { path } of [first, large, late]) {
    expect(path).toContain('/spill/job/ab-1/')
    expect(shared.holds(path)).toBe(true)
  }
})

test('what was kept for a job is gone when it is forgotten, and nothing of another', async () => {
  const bucket = new MemoryBucket()
  const { bucket: shared } = open(bucket)
  await shared.keep('job', sourceOf(pattern(MIB)))
  await shared.keep('job', sourceOf(pattern(MIB)))
  const { path } = await shared.keep('job2', sourceOf(pattern(MIB)))
  await shared.forget('job')
  expect([...bucket.objects.keys()].map((key) => bucket.name + key)).toEqual([path])
})

test('a bucket whose name may begin that of another is refused', () => {
  const bucket: Bucket = Object.assign(new MemoryBucket(), { name: 's3://b/x' })
  expect(() => open(bucket)).toThrow(AssertionError)
})
