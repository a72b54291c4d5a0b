// map over an endless asynchronous input in flat memory (issue item 5), in the driver and in the
// worker; and with what could keep something of every result: a signal, a call that stays behind.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { init, shutdown } from 'virga'
import { medianSlope } from '../../../scripts/bench/soak/median-slope.ts'
import { collect } from '../../support/collect.ts'
import { scaled } from '../../support/scale.ts'
import { square } from './functions.ts'
import { heapOfWorker, lateIfFirst } from './stress-functions.ts'

const COUNT = scaled(100_000)
const EACH = COUNT / 40
/** Measured: below 10. One reaction of a promise kept for every result would be 350. */
const BYTES_PER_RESULT_MAX = 64
const IN_FLIGHT = 32

let taken = 0
async function* endless(): AsyncGenerator<number> {
  for (taken = 0; ; taken += 1) {
    await Promise.resolve()
    yield taken
  }
}

/** How large a heap was after that many results. */
class Heap {
  readonly #points: [at: number, bytes: number][] = []

  add(at: number, bytes: number): void {
    this.#points.push([at, bytes])
  }

  sampleMine(at: number): void {
    if (at % EACH !== 0) return
    collect()
    this.add(at, process.memoryUsage().heapUsed)
  }

  /** A quarter of the results is warm-up. */
  expectFlat(): void {
    const warm = this.#points.filter(([at]) => at >= COUNT / 4)
    expect(warm).toHaveLength(30)
    expect(medianSlope(warm)).toBeLessThan(BYTES_PER_RESULT_MAX)
  }
}

describe(`map takes ${String(COUNT)} results of an endless input in flat memory`, () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 1 })
  })
  afterAll(shutdown)

  it('in the driver and in the worker', async () => {
    const driver = new Heap()
    const worker = new Heap()
    let at = 0
    for await (const bytes of heapOfWorker.map(endless(), { inFlight: IN_FLIGHT }, EACH)) {
      if (bytes > 0) worker.add(at, bytes)
      driver.sampleMine(at)
      at += 1
      if (at === COUNT) break
    }
    expect(taken).toBeLessThan(COUNT + IN_FLIGHT)
    driver.expectFlat()
    worker.expectFlat()
  }, 120_000)

  it('with a signal that never aborts', async () => {
    const heap = new Heap()
    const { signal } = new AbortController()
    let at = 0
    for await (const i of square.map(endless(), { inFlight: IN_FLIGHT, signal })) {
      expect(i).toBe(at * at)
      heap.sampleMine(at)
      at += 1
      if (at === COUNT) break
    }
    heap.expectFlat()
  }, 120_000)

  it('unordered, while the first call stays behind', async () => {
    const heap = new Heap()
    let at = 0
    const options = { inFlight: IN_FLIGHT, ordered: false }
    for await (const i of lateIfFirst.map(endless(), options)) {
      expect(i).toBeGreaterThan(0)
      heap.sampleMine(at)
      at += 1
      if (at === COUNT) break
    }
    heap.expectFlat()
  }, 120_000)
})
