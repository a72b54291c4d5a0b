// Tasks (issue item 5), over real processes and in the calling process.
import { mkdtempSync, readFileSync, existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
  UsageError,
  WorkerCrashedError,
  cancel,
  get,
  init,
  kill,
  shutdown,
  wait,
  type ObjectRef,
} from 'virga'
import * as fn from './functions.ts'
import { RemoteGpuUser } from './stress-functions.ts'
import { slotsAreBack, stateRows } from '../../support/cluster-view.ts'
import { scaled } from '../../support/scale.ts'
import { caught, until } from '../../support/waiting.ts'

describe.each(['local', 'inline'])('tasks, address %s', (address) => {
  beforeAll(async () => {
    await init({ address, numCpus: 2 })
  })
  afterAll(shutdown)

  it('runs the first program: [1, 4, 9]', async () => {
    expect(await get([1, 2, 3].map((x) => fn.square.remote(x)))).toEqual([1, 4, 9])
    expect(await fn.square.run(4)).toBe(16)
  })

  it('passes results as arguments without fetching them', async () => {
    expect(await fn.add.run(fn.square.remote(3), fn.square.remote(4))).toBe(25)
  })

  it('keeps the order of 2,000 results', async () => {
    const refs = Array.from({ length: 2000 }, (_, i) => fn.square.remote(i))
    expect(await get(refs)).toEqual(Array.from({ length: 2000 }, (_, i) => i * i))
  })

  it('gives one ref per value with numReturns, and refuses another number', async () => {
    const [a, b] = fn.pair.remote(7)
    expect(await get([a, b])).toEqual([7, '7'])
    expect(fn.nothing.remote()).toBeUndefined()
    const error = await caught(get(fn.wrongCount.remote()[0]), TaskError)
    expect(String(error.cause)).toContain('numReturns 2')
    expect(String(error.cause)).toContain('3 values')
  })

  it('streams items, then throws where the generator threw', async () => {
    const items: number[] = []
    for await (const item of fn.numbers.run(5)) items.push(item)
    expect(items).toEqual([0, 1, 2, 3, 4])
    const seen: number[] = []
    const broken = (async () => {
      for await (const item of fn.failing.run(3)) seen.push(item)
    })()
    expect((await caught(broken, TaskError)).cause).toBeInstanceOf(RangeError)
    expect(seen).toEqual([0, 1, 2])
  })

  it('runs a stream to its end for who waits for `completed`', async () => {
    const stream = fn.numbers.remote(500)
    await get(stream.completed)
    const items: number[] = []
    for await (const item of stream.values()) items.push(item)
    expect(items).toHaveLength(500)
  })

  it('maps over an endless input in flat memory, in order, and stops with the consumer', async () => {
    let taken = 0
    const inputs = (function* () {
      for (;;) yield taken++
    })()
    const results: number[] = []
    for await (const result of fn.square.map(inputs, { inFlight: 8 })) {
      results.push(result)
      if (results.length === 50) break
    }
    expect(results).toEqual(Array.from({ length: 50 }, (_, i) => i * i))
    expect(taken).toBeLessThanOrEqual(50 + 8)
  })

  it('tells every outcome of mapSettled', async () => {
    const outcomes: string[] = []
    for await (const outcome of fn.flaky.options({ maxRetries: 0 }).mapSettled([0, 1])) {
      outcomes.push(`${String(outcome.index)} ${outcome.status}`)
    }
    expect(outcomes).toEqual(['0 fulfilled', '1 rejected'])
  })

  describe('a source with nothing more to say', () => {
    async function* idle(): AsyncGenerator<number> {
      yield 1
      await new Promise(() => undefined)
    }

    it('holds up neither the result nor the end of a map', async () => {
      for await (const result of fn.square.map(idle())) {
        expect(result).toBe(1)
        break
      }
      for await (const outcome of fn.square.mapSettled(idle())) {
        expect(outcome.status).toBe('fulfilled')
        break
      }
    })

    it('does not keep the first error of a map', async () => {
      const first = fn.flaky.options({ maxRetries: 0 }).map(idle())
      expect(String((await caught(Array.fromAsync(first), TaskError)).cause)).toContain('attempt 0')
    })
  })

  it('ends a stream whose reader leaves while it waits for an item', async () => {
    for (const items of [fn.idle.run(), fn.idle.remote()]) {
      const reader = items[Symbol.asyncIterator]()
      expect((await reader.next()).done).toBe(false)
      const waiting = reader.next()
      expect(await reader.return?.()).toEqual({ done: true, value: undefined })
      expect(await waiting).toEqual({ done: true, value: undefined })
    }
  })

  it('retries exceptions only under retryExceptions, counting attempts from 0', async () => {
    await caught(fn.flaky.run(1), TaskError)
    expect(await fn.flaky.options({ retryExceptions: true }).run(2)).toBe(2)
    expect(await fn.flaky.options({ retryExceptions: [fn.AppError] }).run(1)).toBe(1)
    await caught(fn.flaky.options({ retryExceptions: [RangeError] }).run(1), TaskError)
    const often = fn.flaky.options({ retryExceptions: true, maxRetries: 1 })
    const { message, cause, task } = await caught(often.run(5), TaskError)
    expect(String(cause)).toContain('attempt 1')
    expect(message).toContain(', attempt 1)')
    expect(task.attempts).toBe(2)
  })

  it('cancels a running task: get throws at once, its signal aborts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
    const file = join(folder, 'mark')
    const ref = fn.markWhenDone.remote(file)
    await until(() => existsSync(`${file}.started`))
    await cancel(ref)
    await caught(get(ref), TaskCancelledError)
    await until(() => existsSync(`${file}.aborted`))
    rmSync(folder, { recursive: true })
  })

  it('cancels queued tasks and those under an AbortSignal', async () => {
    const controller = new AbortController()
    const refs = Array.from({ length: 20 }, () =>
      fn.sleep.options({ signal: controller.signal }).remote(5000),
    )
    controller.abort()
    for (const ref of refs) await caught(get(ref), TaskCancelledError)
    expect(await fn.square.run(2)).toBe(4)
  })

  it('an AbortSignal ends a map whose input does not come', async () => {
    const controller = new AbortController()
    const asked = Promise.withResolvers<undefined>()
    async function* stuck(): AsyncGenerator<number> {
      yield 1
      asked.resolve(undefined)
      await new Promise(() => undefined)
    }
    const { signal } = controller
    const results = fn.square.map(stuck(), { signal })[Symbol.asyncIterator]()
    const next = results.next()
    await asked.promise
    controller.abort()
    expect((await caught(next, DOMException)).name).toBe('AbortError')
  })

  it('cancels children with their parent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
    const file = join(folder, 'mark')
    const ref = fn.submitsSlow.remote(file)
    await until(() => existsSync(`${file}.started`))
    await cancel(ref)
    await until(() => existsSync(`${file}.aborted`))
    rmSync(folder, { recursive: true })
  })

  it('holds a stream back to its buffer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
    const file = join(folder, 'made')
    const stream = fn.endless.remote(file)
    const iterator = stream[Symbol.asyncIterator]()
    for (let i = 0; i < 10; i += 1) await iterator.next()
    await fn.sleep.run(100) // time enough to overrun, if nothing held it
    expect(readFileSync(file).length).toBeLessThanOrEqual(10 + 4 + 1)
    await stream.cancel()
    rmSync(folder, { recursive: true })
  })

  it('refuses wrong options and calls with the reason', async () => {
    expect(() => fn.square.options({ timeoutMs: 0 })).toThrow(UsageError)
    expect(() => fn.square.options({ numCpus: Number.NaN })).toThrow(/finite/)
    await caught(wait([]), UsageError)
    const ref = fn.square.remote(1)
    await caught(wait([ref, ref]), UsageError)
  })

  it('waits for some: order kept in both lists', async () => {
    const slow = fn.sleep.remote(10_000)
    const [quick1, quick2] = [fn.sleep.remote(1), fn.sleep.remote(2)]
    await get(quick2)
    const [ready, pending] = await wait([slow, quick1, quick2], { numReturns: 2 })
    expect(ready).toEqual([quick1, quick2])
    expect(pending).toEqual([slow])
    expect(await wait([slow], { timeoutMs: 0 })).toEqual([[], [slow]])
    await cancel(slow)
  })
})

/** What native libraries read: of OpenMP, libuv, libvips, BLAS, Rust and TensorFlow. */
const THREAD_COUNTS = [
  'OMP_NUM_THREADS',
  'UV_THREADPOOL_SIZE',
  'VIPS_CONCURRENCY',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'RAYON_NUM_THREADS',
  'TF_NUM_INTRAOP_THREADS',
]

describe('tasks over processes', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2 })
  })
  afterAll(shutdown)

  it('starts a worker per CPU ahead, more for those that wait, and ends what is idle', async () => {
    const livingCount = async (): Promise<number> => {
      const rows = await stateRows<{ state: string }>('workers')
      return rows.filter(({ state }) => state !== 'EXITING').length
    }
    await until(async () => (await livingCount()) === 2)
    const counts: number[] = []
    const deep = fn.depth.remote(6)
    do counts.push(await livingCount())
    while ((await wait([deep], { timeoutMs: 1 }))[0].length === 0)
    counts.push(await livingCount())
    expect(Math.max(...counts)).toBeGreaterThan(2)
    await until(async () => (await livingCount()) === 2)
  })

  const depth = scaled(200)
  it(`a recursion ${String(depth)} deep on 2 CPUs ends`, async () => {
    expect(await fn.depth.run(depth)).toBe(depth)
  }, 120_000)

  const waiters = scaled(60)
  it(`while ${String(waiters)} tasks wait, one of another function runs`, async () => {
    const gate = fn.RemoteGate.options({ maxConcurrency: waiters }).remote()
    const waiting = Array.from({ length: waiters }, (_, n) => fn.putAndHold.remote(n, gate))
    expect(await fn.square.options({ maxRetries: 0 }).run(3)).toBe(9)
    await until(async () => (await gate.now.run()) === waiters)
    await gate.open.run()
    expect(await get(waiting)).toHaveLength(waiters)
  })

  it('runs in parallel on all CPUs', async () => {
    await until(async () => {
      const [a, b] = await get([fn.spinSpan.remote(20), fn.spinSpan.remote(20)])
      return a.startMs < b.endMs && b.startMs < a.endMs
    })
  })

  it('F01 retries a killed worker and then tells exit, signal and attempts', async () => {
    expect(await fn.kills.run(2, 'SIGKILL')).toBe(2)
    const error = await caught(
      fn.kills.options({ maxRetries: 1 }).run(9, 'SIGKILL'),
      WorkerCrashedError,
    )
    expect(error.data).toMatchObject({ signal: 'SIGKILL', attempts: 2 })
    expect(error.message).toContain('SIGKILL')
  })

  it.each([
    { how: 'SIGSEGV', exit: { signal: 'SIGSEGV', exitCode: null }, words: /attempt 3 ends/ },
    { how: 'abort', exit: { signal: 'SIGABRT', exitCode: null }, words: /\S/ }, // some trace
    { how: 'exit', exit: { signal: null, exitCode: 0 }, words: /attempt 3 ends/ },
  ] as const)(
    'F02 a worker that ends by $how in the middle of a task is retried, and then told',
    async ({ how, exit, words }) => {
      expect(await fn.dies.run(3, how)).toBe(3) // maxRetries is 3
      const error = await caught(fn.dies.run(9, how), WorkerCrashedError)
      expect(error.data).toMatchObject({ ...exit, attempts: 4, poison: true })
      expect((error.data['stderrTail'] as string[]).join('\n')).toMatch(words)
      expect(error.message).toContain(exit.signal ?? 'exited with code 0')
      await until(slotsAreBack)
    },
  )

  it('F03 a spinning task is ended by its time limit, and by force', async () => {
    const limited = fn.spin.options({ timeoutMs: 100, maxRetries: 0 })
    await caught(limited.run(60_000), TaskTimeoutError)
    const ref = fn.spin.remote(60_000)
    await wait([ref], { timeoutMs: 300 })
    await cancel(ref, { force: true })
    await caught(get(ref), TaskCancelledError)
    expect(await get([fn.square.remote(3), fn.square.remote(4)])).toEqual([9, 16])
  })

  it('F03 one that has not begun is ended by force without what runs before it', async () => {
    const shorts = Array.from({ length: 200 }, () => fn.attemptAfter.remote(0))
    await get(shorts) // so that a worker is given several of the next
    const [first, ...others] = Array.from({ length: 20 }, () => fn.attemptAfter.remote(150))
    await new Promise(setImmediate)
    await Promise.all(others.map((ref) => cancel(ref, { force: true })))
    for (const ref of others) await caught(get(ref), TaskCancelledError)
    expect(first && (await get(first))).toBe(0)
    expect(await fn.square.run(3)).toBe(9)
  })

  it('ends a worker after maxCalls runs of a function', async () => {
    const once = fn.context.options({ maxCalls: 1 })
    const pids: number[] = []
    for (let i = 0; i < 3; i += 1) pids.push((await once.run()).pid)
    expect(new Set(pids).size).toBe(3)
  })

  it('keeps a worker that has reached maxCalls while others hold what it has put, no longer', async () => {
    const once = fn.putInside.options({ maxCalls: 1 })
    const retired = async (): Promise<number> => {
      const rows = await stateRows<{ state: string }>('workers')
      return rows.filter(({ state }) => state === 'RETIRED').length
    }
    const { ref } = await once.run(new Float64Array(30_000).fill(7))
    await until(async () => (await retired()) === 1)
    const dropped = await Promise.all(Array.from({ length: 4 }, (_, i) => once.run(i)))
    await until(async () => (await retired()) === 1 + dropped.length)
    // Nobody makes garbage here: the raylet asks for a collection.
    dropped.length = 0
    await until(async () => (await retired()) === 1)
    expect((await get(ref as ObjectRef<Float64Array>))[29_999]).toBe(7)
  })

  it('gives GPUs by number and hides the others', async () => {
    await shutdown()
    await init({ address: 'local', numCpus: 2, numGpus: 2 })
    const { gpuIds } = await fn.context.options({ numGpus: 1 }).run()
    expect(gpuIds).toHaveLength(1)
    const seen = await fn.env.options({ numGpus: 2 }).run('CUDA_VISIBLE_DEVICES')
    expect(seen).toBe('0,1')
    expect(await fn.env.run('CUDA_VISIBLE_DEVICES')).toBe('')
  })

  it('gives each GPU to one at a time, which sees no other', async () => {
    await shutdown()
    await init({ address: 'local', numCpus: 2, numGpus: 2 })
    const users = [RemoteGpuUser.remote(), RemoteGpuUser.remote()]
    const told = await get(users.map((user) => user.gpus.remote()))
    expect(new Set(told.flatMap(({ given }) => given))).toEqual(new Set([0, 1]))
    for (const { given, seen } of told) expect(seen).toBe(given.join(','))
    const waiting = fn.context.options({ numGpus: 1 }).remote()
    expect((await wait([waiting], { timeoutMs: 200 }))[0]).toEqual([])
    const [first] = users
    if (first !== undefined) await kill(first)
    expect((await get(waiting)).gpuIds).toEqual(told[0]?.given)
  })

  it.each([0.5, 1, 2])(
    'sets the threads of native libraries from the lease: of %s CPUs',
    async (numCpus) => {
      const told = fn.env.options({ numCpus })
      const counts = await get(THREAD_COUNTS.map((name) => told.remote(name)))
      expect(counts).toEqual(THREAD_COUNTS.map(() => String(Math.ceil(numCpus))))
    },
  )

  it('leaves a count of threads alone that the user has set', async () => {
    const runtimeEnv = { envVars: { OMP_NUM_THREADS: '7' } }
    expect(await fn.env.options({ runtimeEnv }).run('OMP_NUM_THREADS')).toBe('7')
  })
})
