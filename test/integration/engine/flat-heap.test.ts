// A driver that goes on for ever must not grow: a million tasks, whose results are read and let go,
// leave its heap as it was after the first ones, and so do streams that are left early.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { get, init, kill, shutdown } from 'virga'
import { flatness, type Point } from '../../../scripts/bench/soak/flatness.ts'
import { collect } from '../../support/collect.ts'
import { scaled } from '../../support/scale.ts'
import { RemoteCounter, add, numbers, square, throwRange } from './functions.ts'

const BATCH = 1000
const SAMPLES = 25
const LEFT_STREAMS = scaled(5_000)
/** Of a million tasks: less than two bytes each, after warm-up. */
const GROWN_MEGABYTES_MAX = 1

beforeAll(async () => {
  await init({ address: 'local', numCpus: 2 })
})
afterAll(shutdown)

it('a million tasks leave the heap of their driver flat', async () => {
  const batchCount = scaled(1_000_000) / BATCH
  const actor = RemoteCounter.remote()
  const points: Point[] = []
  for (let batch = 0; batch < batchCount; batch += 1) {
    const refs = Array.from({ length: BATCH }, (_, i) => square.remote(i))
    const [first] = refs
    if (first !== undefined) refs.push(add.remote(first, 1))
    await get(refs)
    await get(actor.inc.remote())
    await throwRange.run('not kept').catch((error: unknown) => {
      expect(error).toBeInstanceOf(Error)
    })
    if (batch % Math.ceil(batchCount / SAMPLES) === 0) points.push(heapAfter(batch))
  }
  await kill(actor)
  expectFlat(points)
}, 300_000)

it('streams that are left before their end leave it flat as well', async () => {
  const points: Point[] = []
  for (let left = 0; left < LEFT_STREAMS; left += 1) {
    for await (const item of numbers.run(100)) if (item === 3) break
    if (left % Math.ceil(LEFT_STREAMS / SAMPLES) === 0) points.push(heapAfter(left))
  }
  expectFlat(points)
}, 300_000)

/** Tasks take the place of seconds: only the growth in all is looked at. */
function heapAfter(tasks: number): Point {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { seconds: tasks, megabytes: (heapUsed + arrayBuffers) / 1e6 }
}

function expectFlat(points: readonly Point[]): void {
  const { grownMegabytes, medianMegabytes } = flatness(points)
  expect(grownMegabytes, `of ${medianMegabytes.toFixed(1)} MB`).toBeLessThan(GROWN_MEGABYTES_MAX)
}
