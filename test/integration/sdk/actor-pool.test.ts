// ActorPool: each actor has one call at a time, results in order or as they come.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  ActorPool,
  GetTimeoutError,
  TaskError,
  UsageError,
  init,
  shutdown,
  type ActorHandle,
  type Methods,
} from 'virga'
import { RemoteDoubler, type Doubler } from './tasks.ts'

type Handle = ActorHandle<Methods<typeof Doubler>>

let actors: Handle[] = []
let pool: ActorPool<Handle>

const double = (actor: Handle, x: number) => actor.double.remote(x)
/** The smaller, the slower. */
const slowFirst = (actor: Handle, x: number) => actor.double.remote(x, x === 0 ? 300 : 1)

async function collect<V>(values: AsyncIterable<V>): Promise<V[]> {
  const all: V[] = []
  for await (const value of values) all.push(value)
  return all
}

beforeAll(async () => {
  await init({ address: 'local', numCpus: 2 })
  actors = await Promise.all([RemoteDoubler.create(), RemoteDoubler.create()])
})
beforeEach(() => {
  pool = new ActorPool(actors)
})
afterAll(shutdown)

test('map gives results in the order of the values, with work for every actor', async () => {
  const before = await Promise.all(actors.map((actor) => actor.calls.run()))
  const values = Array.from({ length: 20 }, (_, i) => i)
  expect(await collect(pool.map(double, values))).toEqual(values.map((x) => 2 * x))
  const after = await Promise.all(actors.map((actor) => actor.calls.run()))
  expect(after.map((calls, i) => calls > (before[i] ?? 0))).toEqual([true, true])
})

test('map keeps the order although later results come first; mapUnordered does not', async () => {
  expect(await collect(pool.map(slowFirst, [0, 1, 2, 3]))).toEqual([0, 2, 4, 6])
  const unordered = await collect(pool.mapUnordered(slowFirst, [0, 1, 2, 3]))
  expect(unordered.at(-1)).toBe(0)
  expect(unordered.toSorted((a, b) => a - b)).toEqual([0, 2, 4, 6])
})

test('map takes from an endless source no more than it needs, and ends it', async () => {
  let asked = 0
  let closed = false
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (;;) yield asked++
    } finally {
      closed = true
    }
  }
  const results: number[] = []
  for await (const result of pool.map(double, numbers())) {
    if (results.push(result) === 5) break
  }
  expect(results).toEqual([0, 2, 4, 6, 8])
  expect(asked).toBeLessThanOrEqual(8)
  expect(closed).toBe(true)
  expect(pool.hasFree()).toBe(true)
})

test('the first error ends a map, and the pool works on', async () => {
  const failing = (actor: Handle, x: number) =>
    x === 1 ? actor.fail.remote(x) : actor.double.remote(x)
  const error = await collect(pool.map(failing, [0, 1, 2])).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TaskError)
  expect((error as TaskError).cause).toBeInstanceOf(RangeError)
  expect(await collect(pool.map(double, [5]))).toEqual([10])
})

test('submit queues beyond the actors, getNext gives results in order', async () => {
  for (const x of [0, 1, 2, 3]) pool.submit(slowFirst, x)
  expect(pool.hasFree()).toBe(false)
  const results: unknown[] = []
  while (pool.hasNext()) results.push(await pool.getNext())
  expect(results).toEqual([0, 2, 4, 6])
  await expect(pool.getNext()).rejects.toThrow(/hasNext/)
})

test('getNextUnordered gives what is there first; afterwards the order is lost', async () => {
  pool.submit(slowFirst, 0)
  pool.submit(slowFirst, 1)
  const first = await pool.getNextUnordered<number>()
  const second = await pool.getNextUnordered<number>()
  // Idle actors are taken from the end: the slow call and the fast one run beside each other.
  expect([first, second]).toEqual([2, 0])
  await expect(pool.getNextUnordered()).rejects.toThrow(UsageError)
})

test('a result that is late is told by GetTimeoutError and can be taken later', async () => {
  pool.submit(slowFirst, 0)
  await expect(pool.getNext({ timeoutMs: 0 })).rejects.toThrow(GetTimeoutError)
  await expect(pool.getNextUnordered({ timeoutMs: 10 })).rejects.toThrow(GetTimeoutError)
  expect(await pool.getNext()).toBe(0)
})

test('two who ask at once get two results', async () => {
  pool.submit(double, 1)
  pool.submit(double, 2)
  expect(await Promise.all([pool.getNext(), pool.getNext()])).toEqual([2, 4])
})

test('actors are taken out and put back', async () => {
  const first = pool.popIdle() as Handle
  const second = pool.popIdle() as Handle
  expect(pool.popIdle()).toBeUndefined()
  expect(pool.hasFree()).toBe(false)
  pool.submit(double, 4) // waits for an actor
  expect(pool.hasNext()).toBe(false)
  pool.push(first)
  expect(await pool.getNext()).toBe(8)
  expect(() => {
    pool.push(first)
  }).toThrow(/already/)
  pool.push(second)
  expect(pool.hasFree()).toBe(true)
})

test('what is no actor, no ref, or no pool at all is told', async () => {
  expect(() => new ActorPool([{} as Handle])).toThrow(UsageError)
  expect(() => new ActorPool(5 as never)).toThrow('takes an array of actor handles, got 5')
  expect(() => {
    pool.submit((() => 3) as never, 1)
  }).toThrow(/must return the ref/)
  expect(pool.hasFree()).toBe(true)
  const none = new ActorPool<Handle>([])
  await expect(collect(none.map(double, [1]))).rejects.toThrow(UsageError)
})
