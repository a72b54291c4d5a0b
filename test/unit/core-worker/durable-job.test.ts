// What a durable job waits for before it tells anything: the lineage of what was submitted, and the
// copies in the bucket of what was put or passed.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { CapacityError, ObjectStoreFullError } from '../../../runtime/common/errors.ts'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { DurableJob } from '../../../runtime/core-worker/durable-job.ts'

const LARGE = { objectId: 'large' as ObjectId, sizeBytes: 1e6 }

/** A job whose bucket takes what it is given when it is told to. */
function aJob() {
  const bucket = Promise.withResolvers<undefined>()
  const seen = { held: 0, asked: [] as unknown[], freed: [] as unknown[], told: false }
  const raylet = {
    request: (type: string, message: object): Promise<never> => {
      seen.asked.push([type, message])
      return bucket.promise as Promise<never>
    },
    hold: (count: number) => void (seen.held += count),
  }
  const storeFree = (objectId: ObjectId): void => void seen.freed.push(objectId)
  const job = new DurableJob({ lineageStream: undefined, deps: { raylet }, storeFree })
  const telling = (): void => void job.commits()?.then(() => (seen.told = true))
  return { job, bucket, seen, telling }
}

it('F06: tells nothing before a large argument is in the bucket', async () => {
  const { job, bucket, seen, telling } = aJob()
  expect(job.commits()).toBe(undefined)
  const stored = Promise.withResolvers<typeof LARGE>()
  const kept = job.keptOnce(stored.promise)
  telling()
  stored.resolve(LARGE)
  await nextTurn()
  expect(seen).toEqual({
    held: 1,
    asked: [['keepObject', { objectId: LARGE.objectId }]],
    freed: [],
    told: false,
  })
  bucket.resolve(undefined)
  expect(await kept).toBe(LARGE)
  await nextTurn()
  expect(seen).toMatchObject({ held: 0, told: true })
  expect(job.commits()).toBe(undefined)
})

it('goes on when one has no room: only its own task fails', async () => {
  const { job, seen, telling } = aJob()
  const full = new ObjectStoreFullError('no room')
  const kept = job.keptOnce(Promise.reject(full))
  telling()
  await expect(kept).rejects.toBe(full)
  await nextTurn()
  expect(seen).toEqual({ held: 0, asked: [], freed: [], told: true })
  expect(job.commits()).toBe(undefined)
})

it('frees what the bucket does not take: nobody has a ref of it', async () => {
  const { job, bucket, seen } = aJob()
  const away = new CapacityError('the bucket is away')
  const kept = job.keepStored(LARGE.objectId)
  bucket.reject(away)
  await expect(kept).rejects.toBe(away)
  expect(seen.freed).toEqual([LARGE.objectId])
})
