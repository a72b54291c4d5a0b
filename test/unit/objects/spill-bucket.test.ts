// What is particular to spilling to a bucket: parts and pieces in flight are bounded, a failure
// leaves nothing that is paid for, and what a dead node left half written is swept.
import { crc32 } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Bucket } from '../../../runtime/common/bucket.ts'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { BucketSpill, sweepSpill } from '../../../runtime/objects/spill-bucket.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { MemoryBucket } from '../../support/memory-bucket.ts'
import { MIB, pattern, readAll, sourceOf } from '../../contract/objects/spill-contract.ts'

let bucket: MemoryBucket
let place: BucketSpill
let clock: HandClock

beforeEach(() => {
  bucket = new MemoryBucket()
  clock = new HandClock()
  place = new BucketSpill({ bucket, owner: 'ab-0', sum: crc32, clock })
})

const write = (sizeBytes: number): ReturnType<BucketSpill['write']> =>
  place.write([sourceOf(pattern(sizeBytes))])

describe('a bucket as a spill place', () => {
  it('SB1: has four parts of a file in flight, and no more', async () => {
    const [range] = await write(100 * MIB + 5)
    expect(bucket.mostParts).toBe(4)
    if (range === undefined) throw new Error('a range was due')
    expect(Buffer.compare(await readAll(place, range), pattern(100 * MIB + 5))).toBe(0)
  })

  it.each<[string, keyof Bucket, number]>([
    ['a small file cannot be put', 'put', 1],
    ['an upload cannot be started', 'startUpload', 20],
    ['a part is refused', 'putPart', 20],
    ['a part of many is refused', 'putPart', 200],
    ['the parts cannot be put together', 'completeUpload', 20],
  ])('SL2: leaves nothing when %s', async (_case, call, mib) => {
    bucket.failing = new Set([call])
    await expect(write(mib * MIB)).rejects.toMatchObject({
      code: 'ERR_CAPACITY',
      data: { reason: 'bucket' },
    })
    expect([...bucket.objects.keys(), ...bucket.uploads.keys()]).toEqual([])
    bucket.failing = new Set()
    expect(await write(mib * MIB)).toHaveLength(1)
  })

  it('says that it may come back when a range cannot be read now', async () => {
    const [range] = await write(10 * MIB)
    if (range === undefined) throw new Error('a range was due')
    bucket.failing = new Set(['getRange'])
    await expect(readAll(place, range)).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    bucket.failing = new Set()
    expect((await readAll(place, range)).byteLength).toBe(10 * MIB)
  })

  it('refuses an object that its producer would write by path', async () => {
    await expect(place.openDirect(1)).rejects.toMatchObject({ data: { reason: 'bucket' } })
  })

  it('SL3: a file that cannot be deleted takes no other with it, and goes at the next close', async () => {
    for (let i = 0; i < 3; i++) await write(1000)
    const stuck = [...bucket.objects.keys()][0] ?? ''
    const deleted = bucket.delete.bind(bucket)
    bucket.delete = (key) =>
      key === stuck ? Promise.reject(new GcsUnavailableError('injected')) : deleted(key)
    await expect(place.close()).rejects.toMatchObject({ data: { reason: 'bucket' } })
    expect([...bucket.objects.keys()]).toEqual([stuck])
    bucket.delete = deleted
    await place.close()
    expect(bucket.objects.size).toBe(0)
  })

  it('SK2: a file that cannot be deleted while the bucket is away goes once it is back', async () => {
    const ranges = await Promise.all([write(1000), write(1000)])
    bucket.failing = new Set(['delete'])
    for (const [range] of ranges) {
      if (range === undefined) throw new Error('a range was due')
      await expect(place.remove(range)).rejects.toMatchObject({ data: { reason: 'bucket' } })
    }
    await clock.advance(3_000)
    expect(bucket.objects.size).toBe(2)
    bucket.failing = new Set()
    await clock.advance(4_000)
    expect(bucket.objects.size).toBe(0)
    expect(place.paths).toEqual([])
  })

  it('sweeps what a dead node has left, whole or half uploaded, and nothing of another', async () => {
    await bucket.startUpload('spill/dead-0/1')
    await bucket.startUpload('spill/dead-1/1')
    for (let i = 0; i < 2_500; i++) await bucket.put(`spill/dead-0/${String(i)}`, Buffer.of(1))
    await bucket.put('spill/dead-01/0', Buffer.of(1))
    await sweepSpill(bucket, 'dead-0')
    expect([...bucket.uploads.keys()]).toEqual(['spill/dead-1/1'])
    expect([...bucket.objects.keys()]).toEqual(['spill/dead-01/0'])
  })
})
