// Remote functions and classes of the engine's tests: a module of its own, as a user would have it.
import {
  exitActor,
  get,
  limiter,
  remote,
  runtimeContext,
  type ActorHandle,
  type ObjectRef,
} from 'virga'

export const square = remote((x: number) => x * x)
export const add = remote((a: number, b: number) => a + b)
export const echo = remote((value: unknown) => value)
export const sleep = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return ms
})
export const spin = remote((ms: number) => {
  const end = Date.now() + ms
  while (Date.now() < end);
  return ms
})
export const attemptAfter = remote((ms: number) => {
  const end = performance.now() + ms
  while (performance.now() < end);
  return runtimeContext().attempt
})
/** When it held its process, by the machine's clock. */
export const spinSpan = remote((ms: number) => {
  const startMs = Date.now()
  while (Date.now() < startMs + ms);
  return { startMs, endMs: Date.now() }
})
export const context = remote(() => {
  const { attempt, gpuIds, mode, resources, taskId, idempotencyKey, workerId } = runtimeContext()
  return { attempt, gpuIds, mode, resources, taskId, idempotencyKey, workerId, pid: process.pid }
})
export const env = remote((name: string) => process.env[name])

export const depth = remote(async (n: number): Promise<number> =>
  n === 0 ? 0 : 1 + (await depth.run(n - 1)),
)

export const pair = remote((n: number): [number, string] => [n, String(n)], { numReturns: 2 })
export const nothing = remote(() => 1, { numReturns: 0 })
export const wrongCount = remote((): [number, number] => [1, 2, 3] as unknown as [number, number], {
  numReturns: 2,
})

export const numbers = remote(async function* (count: number) {
  for (let i = 0; i < count; i += 1) yield i
})
export const chunks = remote(function* (count: number, sizeBytes: number) {
  for (let i = 0; i < count; i += 1) yield new Uint8Array(sizeBytes).fill(i)
})
export const idle = remote(async function* () {
  yield 1
  const { signal } = runtimeContext()
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve)
  })
})
export const failing = remote(function* (count: number) {
  for (let i = 0; i < count; i += 1) yield i
  throw new RangeError('the stream broke')
})
export const endless = remote(
  async function* (file: string) {
    const { appendFileSync } = await import('node:fs')
    for (let i = 0; ; i += 1) {
      appendFileSync(file, '.')
      yield i
    }
  },
  { streamBufferSize: 4 },
)

export class AppError extends Error {
  override name = 'AppError'
  readonly detail = { a: 1 }
}
export const throwRange = remote(function throwRange(text: string) {
  throw new RangeError(text)
})
export const throwText = remote(() => {
  // oxlint-disable-next-line typescript/only-throw-error -- users may throw anything
  throw 'just text'
})
const refuse = (): never => {
  throw new Error('trap')
}
/** Errors that throw at a look at them. */
const unreadable = {
  getter: Object.defineProperty(new Error('told'), 'name', { get: refuse }),
  get: new Proxy(new Error('hidden'), { get: refuse }),
  getPrototypeOf: new Proxy(new Error('mute'), { getPrototypeOf: refuse }),
  ownKeys: new Proxy(new Error('shut'), { ownKeys: refuse, get: refuse }),
}
export const throwUnreadable = remote((kind: keyof typeof unreadable) => {
  throw unreadable[kind]
})
class Unmade {
  constructor(kind: keyof typeof unreadable) {
    throw unreadable[kind]
  }
}
export const RemoteUnmade = remote(Unmade)
export const throwApp = remote(() => {
  throw new AppError('of the app')
})
export const returnFunction = remote(() => () => 1)

/** Fails until its `attempt`th attempt. */
export const flaky = remote((until: number) => {
  const { attempt } = runtimeContext()
  if (attempt < until) throw new AppError(`attempt ${String(attempt)}`)
  return attempt
})
export const exits = remote((until: number, code: number) => {
  const { attempt } = runtimeContext()
  if (attempt < until) process.exit(code)
  return attempt
})
export const kills = remote((until: number, signal: NodeJS.Signals) => {
  const { attempt } = runtimeContext()
  if (attempt < until) process.kill(process.pid, signal)
  return new Promise<number>((resolve) =>
    setTimeout(resolve, attempt < until ? 60_000 : 0, attempt),
  )
})
/** Ends its worker that way until its `until`th attempt, having said so. */
export const dies = remote((until: number, how: 'SIGSEGV' | 'abort' | 'exit') => {
  const { attempt } = runtimeContext()
  if (attempt >= until) return attempt
  console.error(`attempt ${String(attempt)} ends by ${how}`)
  if (how === 'abort') process.abort()
  if (how === 'exit') process.exit(0)
  process.kill(process.pid, how)
  return new Promise<number>(() => undefined) // the signal comes a moment later
})
export const whenAborted = remote(
  () =>
    new Promise<string>((resolve) => {
      const { signal } = runtimeContext()
      signal.addEventListener('abort', () => {
        resolve('aborted')
      })
    }),
)
export const submitsSlow = remote(async (file: string) => {
  const { writeFileSync } = await import('node:fs')
  await markWhenDone.run(file)
  writeFileSync(`${file}.parent`, 'ran on')
})
export const markWhenDone = remote(async (file: string) => {
  const { writeFileSync } = await import('node:fs')
  writeFileSync(`${file}.started`, '')
  const { signal } = runtimeContext()
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      writeFileSync(`${file}.aborted`, '')
      resolve()
    })
  })
})

export const makeArray = remote((length: number, fill: number) =>
  new Float64Array(length).fill(fill),
)
export const sumArray = remote((array: Float64Array) => array.reduce((sum, x) => sum + x, 0))
export const scribble = remote((array: Float64Array) => {
  array.fill(-1)
  return array[0]
})
export const putInside = remote(async (value: unknown) => {
  const { put } = await import('virga')
  return { ref: await put(value) }
})
type GateHandle = ReturnType<typeof RemoteGate.remote>
export const putAndHold = remote(async (value: unknown, gate: GateHandle) => {
  const { put } = await import('virga')
  const ref = await put(value)
  await gate.hold.run()
  return { ref, workerId: runtimeContext().workerId }
})
export const getInside = remote(async (box: { ref: ObjectRef<number> }) => {
  const { get } = await import('virga')
  return get(box.ref)
})

export class Counter {
  value: number
  constructor(start = 0) {
    this.value = start
  }
  inc(by = 1): number {
    this.value += by
    return this.value
  }
  async slowInc(ms: number): Promise<number> {
    const before = this.value
    await new Promise((resolve) => setTimeout(resolve, ms))
    this.value = before + 1
    return this.value
  }
  read(): number {
    return this.value
  }
  pid(): number {
    return process.pid
  }
  restarted(): boolean {
    return runtimeContext().wasRestarted
  }
  *ticks(count: number): Generator<number> {
    for (let i = 0; i < count; i += 1) yield this.value + i
  }
  split(): [number, string] {
    return [this.value, 'x']
  }
  fail(): never {
    throw new RangeError('method failed')
  }
  crash(): void {
    process.kill(process.pid, 'SIGKILL')
  }
  leave(): void {
    exitActor()
  }
  _hidden(): number {
    return 1
  }
}
export const RemoteCounter = remote(Counter)

export class Broken {
  constructor() {
    throw new RangeError('no such thing')
  }
  use(): number {
    return 1
  }
}
export const RemoteBroken = remote(Broken)

export const useCounter = remote(async (counter: ActorHandle<CounterMethods>, by: number) =>
  counter.inc.run(by),
)
type CounterMethods = typeof RemoteCounter extends {
  remote(...args: never[]): ActorHandle<infer M>
}
  ? M
  : never

/** Two of these can wait for each other. */
export class Peer {
  other: ActorHandle<Record<string, [fn: (...args: never[]) => unknown, numReturns: 1]>> | undefined
  meet(
    other: ActorHandle<Record<string, [fn: (...args: never[]) => unknown, numReturns: 1]>>,
  ): void {
    this.other = other
  }
  async ask(): Promise<unknown> {
    return (this.other as unknown as { answer: { run(): Promise<unknown> } }).answer.run()
  }
  async round(): Promise<unknown> {
    return (this.other as unknown as { ask: { run(): Promise<unknown> } }).ask.run()
  }
  answer(): number {
    return 42
  }
}
export const RemotePeer = remote(Peer)

/** Counts how many of its calls are under way; `open` lets them all go. */
export class Gate {
  #opened: (() => void)[] = []
  running = 0
  peak = 0
  async hold(): Promise<number> {
    this.running += 1
    this.peak = Math.max(this.peak, this.running)
    await new Promise<void>((resolve) => this.#opened.push(resolve))
    this.running -= 1
    return this.peak
  }
  async holdOther(): Promise<number> {
    return this.hold()
  }
  now(): number {
    return this.running
  }
  open(): number {
    const waiting = this.#opened.splice(0)
    for (const resolve of waiting) resolve()
    return waiting.length
  }
}
export const RemoteGate = remote(Gate, {
  concurrencyGroups: { control: 1 },
  methods: { open: { concurrencyGroup: 'control' }, now: { concurrencyGroup: 'control' } },
})

/** Writes down the order in which its calls began. */
export class Recorder {
  readonly began: unknown[] = []
  async add(value: unknown, ms = 0): Promise<void> {
    this.began.push(value)
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
  }
  all(): unknown[] {
    return this.began
  }
}
export const RemoteRecorder = remote(Recorder)

/** Ends its process until its `crashes`th incarnation; counts runs in a file. */
export class Mortal {
  readonly file: string
  constructor(file: string) {
    this.file = file
  }
  async dieUntil(runs: number): Promise<number> {
    const { appendFileSync, readFileSync } = await import('node:fs')
    appendFileSync(this.file, '.')
    const { length } = readFileSync(this.file)
    if (length < runs) process.kill(process.pid, 'SIGKILL')
    return length
  }
  async failUntil(runs: number): Promise<number> {
    const { appendFileSync, readFileSync } = await import('node:fs')
    appendFileSync(this.file, '.')
    const { length } = readFileSync(this.file)
    if (length < runs) throw new AppError(`run ${String(length)}`)
    return length
  }
  pid(): number {
    return process.pid
  }
  restarted(): boolean {
    return runtimeContext().wasRestarted
  }
}
export const RemoteMortal = remote(Mortal)

/** Returns handles and refs: to an actor of its own, and to values that it owns. */
export const makeCounter = remote((start: number) => RemoteCounter.remote(start))
export class Holder {
  #counter = RemoteCounter.remote(100)
  readonly #made: ObjectRef<unknown>[] = []
  counter(): ActorHandle<CounterMethods> {
    return this.#counter
  }
  async make(length: number, fill: number): Promise<{ ref: ObjectRef<Float64Array> }> {
    const { put } = await import('virga')
    const ref = await put(new Float64Array(length).fill(fill))
    this.#made.push(ref)
    return { ref }
  }
  pid(): number {
    return process.pid
  }
  crash(): void {
    process.kill(process.pid, 'SIGKILL')
  }
}
export const RemoteHolder = remote(Holder)
export const SplitCounter = remote(Counter, { methods: { split: { numReturns: 2 } } })
export const useLater = remote(async (counter: ActorHandle<CounterMethods>, ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return counter.inc.run()
})
export const makesDetached = remote(async (name: string, start: number) => {
  await RemoteCounter.options({ name, lifetime: 'detached' }).create(start)
})
export const pidOf = remote(() => process.pid)

export const relay = remote(async (text: string): Promise<never> => throwRange.run(text))
export const relayTwice = remote(async (text: string): Promise<never> => relay.run(text))
export class CodedError extends Error {
  override name = 'CodedError'
  readonly code = 'E_CODED'
}
export const throwCoded = remote(() => {
  throw new CodedError('outer', { cause: new TypeError('inner') })
})
export const rejectsLater = remote(async () => {
  setTimeout(() => void Promise.reject(new RangeError('nobody caught this')), 5)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
})
export const throwsLater = remote(async () => {
  setTimeout(() => {
    throw new Error('thrown in a timer')
  }, 5)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
})
export const Stray = remote(
  class Stray {
    pid(): number {
      return process.pid
    }
    async failsLater(): Promise<void> {
      setTimeout(() => void Promise.reject(new Error('nobody caught this of an actor')), 5)
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    }
  },
)
const named = (name: string): (() => string) => ({ [name]: () => name })[name] as () => string
export const oddNames = ['__proto__', 'toString', 'constructor'].map((name) =>
  remote(named(name), { name }),
)

/** Keeps a ref for a task that asks for it. */
export class Keeper {
  #ref: ObjectRef<unknown> | undefined
  keep(box: { ref: ObjectRef<unknown> }): void {
    this.#ref = box.ref
  }
  kept(): { ref?: ObjectRef<unknown> } {
    return this.#ref === undefined ? {} : { ref: this.#ref }
  }
}
export const RemoteKeeper = remote(Keeper)
type KeeperMethods = typeof RemoteKeeper extends {
  remote(...args: never[]): ActorHandle<infer M>
}
  ? M
  : never
export const waitsForKept = remote(async (keeper: ActorHandle<KeeperMethods>) => {
  const { get } = await import('virga')
  for (;;) {
    const { ref } = await keeper.kept.run()
    if (ref !== undefined) return get(ref)
  }
})

export const sumLater = remote((array: Float64Array, _after: number) =>
  array.reduce((sum, x) => sum + x, 0),
)
export const firstByte = remote((bytes: Uint8Array) => bytes[0])
export class ArrayHolder {
  #held: Float64Array | undefined
  hold(array: Float64Array): number {
    this.#held = array
    return this.#held.length
  }
  crash(): void {
    process.kill(process.pid, 'SIGKILL')
  }
}
export const RemoteArrayHolder = remote(ArrayHolder)

export const slowStep = remote(async (x: number) => {
  await new Promise((resolve) => setTimeout(resolve, 3))
  return x + 1
})

/** One of a ring of actors: passes a call on to the next. */
export class Link {
  #next: { pass: { run(hops: number): Promise<number> } } | undefined
  link(next: unknown): void {
    this.#next = next as { pass: { run(hops: number): Promise<number> } }
  }
  async *items(): AsyncGenerator<number> {
    await Promise.resolve()
    yield 42
  }
  async readItems(): Promise<number> {
    const { items } = this.#next as unknown as { items: { run(): AsyncIterable<number> } }
    let last = 0
    for await (const item of items.run()) last = item
    return last
  }
  async passMany(count: number): Promise<void> {
    const { pass } = this.#next as unknown as ActorHandle<LinkMethods>
    await get(Array.from({ length: count }, () => pass.remote(0)))
  }
  async passSilently(): Promise<void> {
    const { pass } = this.#next as unknown as ActorHandle<LinkMethods>
    await pass.options({ numReturns: 0 }).run(0)
  }
  async pass(hops: number): Promise<number> {
    if (hops === 0 || this.#next === undefined) return 42
    return this.#next.pass.run(hops - 1)
  }
}
export const RemoteLink = remote(Link)
interface LinkMethods {
  pass: [fn: (hops: number) => Promise<number>, numReturns: 1]
}
/** Waits for any one of the refs that it was given; how many had come. */
export const waitsForAny = remote(async (keeper: ActorHandle<KeeperMethods>) => {
  const { wait } = await import('virga')
  for (;;) {
    const { ref } = await keeper.kept.run()
    if (ref === undefined) continue
    const refs = await (await import('virga')).get(ref as ObjectRef<readonly ObjectRef[]>)
    return (await wait(refs))[0].length
  }
})
const one = limiter('deadlock', { concurrency: 1 })
export const limitedInner = remote(() => 1, { limit: one })
export const limitedOuter = remote(() => limitedInner.run(), { limit: one })
/** Waits for what another task of the same kind was given. */
export const waitsAt = remote(async (keeper: ActorHandle<KeeperMethods>) => {
  const { get } = await import('virga')
  for (;;) {
    const { ref } = await keeper.kept.run()
    if (ref !== undefined) return get(ref)
  }
})
export const waitsWithLimit = remote(async (keeper: ActorHandle<KeeperMethods>) => {
  const { get } = await import('virga')
  for (;;) {
    const { ref } = await keeper.kept.run()
    if (ref !== undefined) return get(ref, { timeoutMs: 1500 })
  }
})

/** Takes so much memory of its own, and keeps it so long; for ever when no time is given. */
export const hog = remote(
  async (bytes: number, keepMs?: number): Promise<number> => {
    const kept = Buffer.alloc(bytes, 1)
    await new Promise<void>((resolve) => {
      if (keepMs !== undefined) setTimeout(resolve, keepMs)
    })
    return kept.length
  },
  { name: 'hog' },
)
export const filledBytes = remote((sizeBytes: number, value: number) =>
  new Uint8Array(sizeBytes).fill(value),
)
