// Limiters: how many tasks run at once, or start per second, over all drivers of a cluster.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  Queue,
  TaskCancelledError,
  WorkerCrashedError,
  cancel,
  get,
  init,
  limiter,
  shutdown,
  wait,
  type Cluster,
  type Limiter,
} from 'virga'
import { resultOf, runProgram } from '../shipping/run-program.ts'
import { crash, nowMs, seesItsFirstAttempt, sleeper, span, stubborn, type Span } from './tasks.ts'

const SECOND_DRIVER = new URL('fixtures/second-driver.ts', import.meta.url).pathname

let cluster: Cluster
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virga-limiter-'))
  cluster = await init({ address: 'local', numCpus: 4 })
})
afterAll(async () => {
  await shutdown()
  rmSync(folder, { recursive: true })
})

function spans(limit: Limiter, count: number, workMs: number): Promise<Span[]> {
  const limited = span.options({ limit })
  return get(Array.from({ length: count }, (_, i) => limited.remote(i, workMs)))
}

/** How many spans were open at once, at most. */
function atOnce(all: readonly Span[]): number {
  const changes = all.flatMap(({ startMs, endMs }) => [
    { atMs: startMs, by: 1 },
    { atMs: endMs, by: -1 },
  ])
  let open = 0
  return changes
    .toSorted((a, b) => a.atMs - b.atMs || a.by - b.by)
    .reduce((most, { by }) => Math.max(most, (open += by)), 0)
}

test('no more tasks run at once than the limiter allows, in the order of their calls', async () => {
  const warm = await spans(limiter('warm', { concurrency: 4 }), 4, 20)
  expect(warm).toHaveLength(4)
  const all = await spans(limiter('two at once', { concurrency: 2 }), 10, 50)
  expect(atOnce(all)).toBe(2)
  const one = await spans(limiter('one at once', { concurrency: 1 }), 6, 10)
  expect(atOnce(one)).toBe(1)
  const byStart = one.toSorted((a, b) => a.startMs - b.startMs).map(({ index }) => index)
  expect(byStart).toEqual([0, 1, 2, 3, 4, 5])
})

test('starts come no faster than perSecond', async () => {
  const calledMs = nowMs()
  const all = await spans(limiter('rate', { perSecond: 20 }), 30, 0)
  const starts = all.map(({ startMs }) => startMs).toSorted((a, b) => a - b)
  // A busy machine can only delay a start; the exact rule is tested on virtual time.
  expect((starts.at(-1) ?? 0) - calledMs).toBeGreaterThan(1300)
  expect(starts[20]).toBeGreaterThanOrEqual(calledMs + 900)
})

test('a token comes back when its task crashes, is cancelled, or is never started', async () => {
  const limit = limiter('frail', { concurrency: 1 })
  const crashing = crash.options({ limit, maxRetries: 0 }).remote()
  const started = new Queue<string>()
  const long = sleeper.options({ limit }).remote(started, 'long')
  const waiting = sleeper.options({ limit }).remote(started, 'never started')
  const last = span.options({ limit }).remote(9, 0)
  await expect(get(crashing)).rejects.toThrow(WorkerCrashedError)
  expect(await started.get()).toBe('long')
  await cancel(waiting)
  await expect(get(waiting)).rejects.toThrow(TaskCancelledError)
  await cancel(long)
  await expect(get(long)).rejects.toThrow(TaskCancelledError)
  expect((await get(last)).index).toBe(9)
  expect(await started.size()).toBe(0)
})

test('a cancelled task is over at once, and its token is held until its function has ended', async () => {
  const limit = limiter('stubborn', { concurrency: 1 })
  const started = new Queue<number>()
  const file = join(folder, 'go')
  const first = stubborn.options({ limit }).remote(started, file)
  await started.get()
  await cancel(first)
  await expect(get(first)).rejects.toThrow(TaskCancelledError)
  const next = span.options({ limit }).remote(1, 0)
  expect(await wait([next], { timeoutMs: 300 })).toEqual([[], [next]])
  writeFileSync(file, '')
  const { startMs } = await get(next)
  expect(startMs).toBeGreaterThanOrEqual(Number(readFileSync(`${file}.left`, 'utf8')))
})

test('the token of a cancelled task comes back when its worker is ended', async () => {
  const limit = limiter('forced', { concurrency: 1 })
  const started = new Queue<number>()
  const first = stubborn.options({ limit }).remote(started, join(folder, 'never'))
  const pid = await started.get()
  const next = span.options({ limit }).remote(1, 0)
  await cancel(first)
  await expect(get(first)).rejects.toThrow(TaskCancelledError)
  process.kill(pid, 'SIGKILL')
  expect((await get(next)).index).toBe(1)
})

test('an attempt that ran too long has ended before the next one begins under its token', async () => {
  const limit = limiter('slow', { concurrency: 1 })
  const timed = { limit, timeoutMs: 200, retryExceptions: true, maxRetries: 1 } as const
  expect(await seesItsFirstAttempt.options(timed).run(join(folder, 'pid'))).toBe(false)
})

test('a retried task keeps its token', async () => {
  const limit = limiter('retry', { concurrency: 1 })
  const crashing = crash.options({ limit, maxRetries: 1 }).remote()
  const after = span.options({ limit }).remote(1, 0)
  await expect(get(crashing)).rejects.toThrow(WorkerCrashedError)
  expect((await get(after)).index).toBe(1)
})

test('several drivers share a limiter by its name', async () => {
  const name = 'shared by drivers'
  const args = [cluster.address, name, 'spans']
  const [theirs, ours] = await Promise.all([
    resultOf({ file: SECOND_DRIVER, args }) as Promise<{ spans: Span[] }>,
    spans(limiter(name, { concurrency: 1 }), 12, 100),
  ])
  expect(theirs.spans).toHaveLength(4)
  expect(atOnce([...theirs.spans, ...ours])).toBe(1)
})

test('a driver that gives a limiter other numbers is told', async () => {
  const name = 'numbers of ours'
  await spans(limiter(name, { concurrency: 2 }), 1, 0)
  const end = await runProgram({ file: SECOND_DRIVER, args: [cluster.address, name, 'spans'] })
  expect(end.stderr).toContain(`UsageError: limiter '${name}' is in use in this cluster with`)
})

test('the tokens of a driver that dies come back', async () => {
  const name = 'held by the dead'
  const end = await runProgram({ file: SECOND_DRIVER, args: [cluster.address, name, 'die'] })
  expect(end.stdout).toContain('holding')
  const [after] = await spans(limiter(name, { concurrency: 1 }), 1, 0)
  expect(after?.index).toBe(0)
})

test('a server may have a limiter for each of 20,000 tenants', async () => {
  const limits = Array.from({ length: 20_000 }, (_, i) =>
    limiter(`tenant ${i}`, { concurrency: 1 }),
  )
  const some = limits.filter((_, i) => i % 40 === 0)
  const refs = some.map((limit, i) => span.options({ limit }).remote(i, 0))
  expect((await get(refs)).map(({ index }) => index)).toEqual(some.map((_, i) => i))
})
