// A driver that goes on for ever must not grow: a million tasks, whose results are read and let go,
// leave its heap as it was after the first ones.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { get, init, kill, shutdown } from 'virga'
import { flatness, type Point } from '../../../scripts/bench/soak/flatness.ts'
import { collect } from '../../support/collect.ts'
import { scaled } from '../../support/scale.ts'
import { RemoteCounter, add, square, throwRange } from './functions.ts'

const BATCH = 1000
const SAMPLES = 25
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
    if (batch % Math.ceil(batchCount / SAMPLES) === 0) {
      collect()
      // Thousands of tasks take the place of seconds: only the growth in all is looked at.
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      points.push({ seconds: batch, megabytes: (heapUsed + arrayBuffers) / 1e6 })
    }
  }
  await kill(actor)
  const { grownMegabytes, medianMegabytes } = flatness(points)
  expect(grownMegabytes, `of ${medianMegabytes.toFixed(1)} MB`).toBeLessThan(GROWN_MEGABYTES_MAX)
}, 300_000)
