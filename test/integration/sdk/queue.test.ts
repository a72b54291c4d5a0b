// Queue between driver and tasks: order, limits, time-outs, batches, and its end.
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  ActorDiedError,
  Queue,
  QueueEmptyError,
  QueueFullError,
  StoppedError,
  UsageError,
  get,
  init,
  put,
  shutdown,
  type ObjectRef,
} from 'virga'
import { Point, diesWaiting, makeQueue, produce, takeAll, takeOne } from './tasks.ts'

beforeAll(async () => {
  await init({ address: 'local', numCpus: 4 })
})
afterAll(shutdown)

test('items come out in the order they were put, and a full queue holds its producer', async () => {
  const queue = new Queue<number>({ maxSize: 2 })
  const producing = produce.remote(queue, 50)
  expect(await takeAll.run(queue, 50)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(await get(producing)).toBe(50)
  expect(await queue.empty()).toBe(true)
})

test('size, empty and full tell how many items there are', async () => {
  const queue = new Queue<string>({ maxSize: 2 })
  expect([await queue.size(), await queue.empty(), await queue.full()]).toEqual([0, true, false])
  await queue.put('a')
  await queue.put('b')
  expect([await queue.size(), await queue.empty(), await queue.full()]).toEqual([2, false, true])
  const endless = new Queue<number>()
  await endless.putBatch(Array.from({ length: 1000 }, (_, i) => i))
  expect([await endless.size(), await endless.full()]).toEqual([1000, false])
})

test('no room in time is QueueFullError, no item in time QueueEmptyError', async () => {
  const queue = new Queue<number>({ maxSize: 1 })
  await expect(queue.getNowait()).rejects.toThrow(QueueEmptyError)
  await expect(queue.get({ timeoutMs: 20 })).rejects.toThrow(/within 20 ms/)
  await queue.putNowait(1)
  await expect(queue.putNowait(2)).rejects.toThrow(QueueFullError)
  await expect(queue.put(2, { timeoutMs: 20 })).rejects.toThrow(/no room.*within 20 ms/)
  expect(await queue.getNowait()).toBe(1)
  await expect(queue.getNowait()).rejects.toThrow(QueueEmptyError)
})

test('who waits for an item gets it as soon as it is put, first come first served', async () => {
  const queue = new Queue<number>()
  const waiting = [queue.get(), queue.get(), queue.get()]
  await queue.putBatch([1, 2, 3])
  expect(await Promise.all(waiting)).toEqual([1, 2, 3])
})

test('putBatch puts all or nothing: it waits for room for all of them', async () => {
  const queue = new Queue<string>({ maxSize: 3 })
  await queue.putBatch(['a', 'b'])
  await expect(queue.putBatch(['c', 'd'], { timeoutMs: 20 })).rejects.toThrow(QueueFullError)
  expect(await queue.size()).toBe(2)
  const batch = queue.putBatch(['c', 'd'])
  await expect(queue.putNowait('e')).rejects.toThrow(QueueFullError) // it would overtake
  expect(await queue.get()).toBe('a')
  await batch
  expect(await queue.getBatch(10)).toEqual(['b', 'c', 'd'])
  await expect(queue.putBatch(['1', '2', '3', '4'])).rejects.toThrow(UsageError)
  await queue.putBatch([])
})

test('getBatch waits for one item and gives up to as many as asked for', async () => {
  const queue = new Queue<number>()
  const waiting = queue.getBatch(3)
  await queue.put(1)
  expect(await waiting).toEqual([1])
  await queue.putBatch([2, 3, 4, 5])
  expect(await queue.getBatch(3)).toEqual([2, 3, 4])
  expect(await queue.getBatch(3)).toEqual([5])
  await expect(queue.getBatch(1, { timeoutMs: 10 })).rejects.toThrow(QueueEmptyError)
  await expect(queue.getBatch(0)).rejects.toThrow(UsageError)
})

test('any value goes through: refs as refs, classes, large arrays, queues', async () => {
  const queue = new Queue<unknown>()
  await queue.put({ ref: await put('kept'), point: new Point(3, 4), queue })
  await queue.put(new Float64Array(100_000).fill(0.5))
  await queue.put(undefined)
  interface Kept {
    readonly ref: ObjectRef<string>
    readonly point: Point
    readonly queue: Queue<string>
  }
  const first = (await queue.get()) as Kept
  expect(await get(first.ref)).toBe('kept')
  expect(first.point.norm).toBe(5)
  expect(first.queue).toBeInstanceOf(Queue)
  const array = (await queue.get()) as Float64Array
  expect([array.length, array[99_999]]).toEqual([100_000, 0.5])
  await first.queue.put('through the copy')
  expect(await queue.get()).toBeUndefined()
  expect(await queue.get()).toBe('through the copy')
})

test('a queue made in a task lives on where its handle went', async () => {
  const queue = await makeQueue.run(['a', 'b'])
  expect(await queue.getBatch(2)).toEqual(['a', 'b'])
})

test('an item is not given to a process that died while it waited', async () => {
  const queue = new Queue<string>()
  await expect(diesWaiting.options({ maxRetries: 0 }).run(queue)).rejects.toThrow(/SIGKILL/)
  await queue.put('for the living')
  expect(await queue.get({ timeoutMs: 10_000 })).toBe('for the living')
})

test('a named queue is found again by who asks for the same name', async () => {
  const actorOptions = { name: 'shared', getIfExists: true }
  const queue = new Queue<number>({ maxSize: 1, actorOptions })
  await queue.put(7)
  const same = new Queue<number>({ maxSize: 100, actorOptions })
  expect(await same.full()).toBe(true)
  expect(await same.get()).toBe(7)
})

test('shutdown wakes who waits, here and in tasks', async () => {
  const queue = new Queue<number>({ maxSize: 1 })
  await queue.put(1)
  const stuck = queue.put(2).catch((reason: unknown) => reason)
  const empty = new Queue<number>()
  const started = [takeOne.remote(empty), takeOne.remote(empty)]
  const here = empty.get().catch((reason: unknown) => reason)
  await empty.size()
  await Promise.all([queue.shutdown(), empty.shutdown()])
  expect(await stuck).toBeInstanceOf(StoppedError)
  expect(await here).toBeInstanceOf(StoppedError)
  for (const end of await get(started)) expect(['StoppedError', 'ActorDiedError']).toContain(end)
  await expect(queue.get()).rejects.toThrow(/was shut down/)
  await queue.shutdown()
})

test('other handles of a queue that was shut down hear that its actor is dead', async () => {
  const queue = new Queue<number>()
  const other = (await get(await put([queue])))[0] as Queue<number>
  await queue.shutdown()
  await expect(other.size()).rejects.toThrow(ActorDiedError)
  await other.shutdown()
})

test('options that are wrong are refused where they are given', async () => {
  expect(() => new Queue({ maxSize: -1 })).toThrow(/maxSize/)
  expect(() => new Queue({ maxsize: 1 } as object)).toThrow(/Did you mean|maxSize/)
  expect(() => new Queue({ actorOptions: { concurrencyGroups: { a: 1 } } })).toThrow(UsageError)
  const queue = new Queue<number>()
  await expect(queue.get({ timeoutMs: -1 })).rejects.toThrow(UsageError)
})
