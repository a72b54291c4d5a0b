// What goes wrong, as the user is told (issue item 9): the rows B13-B29, B34, B47 of the fault
// list by their ids, then stacks and chains of causes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ActorDiedError,
  ActorAlreadyExistsError,
  DeadlockError,
  ForeignRefError,
  FunctionNotFoundError,
  InfeasibleError,
  InvalidEnvError,
  MethodNotFoundError,
  ObjectFreedError,
  ObjectRef,
  ObjectTooLargeError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  UsageError,
  VirgaError,
  WorkerCrashedError,
  cancel,
  get,
  init,
  kill,
  put,
  remote,
  shutdown,
  wait,
} from 'virga'
import { driverOnly } from './driver-only.ts'
import * as fn from './functions.ts'
import { handlesItself } from './stress-functions.ts'
import { thrownBy } from '../../support/thrown-by.ts'
import { caught, until } from '../../support/waiting.ts'

const FUNCTIONS = join(import.meta.dirname, 'functions.ts')

/** `functions.ts:12`: the line of that text. */
function placeOf(text: string): string {
  const lines = readFileSync(FUNCTIONS, 'utf8').split('\n')
  return `functions.ts:${String(lines.findIndex((line) => line.includes(text)) + 1)}`
}

class Point {
  readonly x = 1
}

describe.each(['local', 'inline'])('errors, address %s', (address) => {
  beforeAll(async () => {
    await init({ address, numCpus: 2 })
  })
  afterAll(shutdown)

  it.each(fn.oddNames.map((odd, i) => [['__proto__', 'toString', 'constructor'][i], odd] as const))(
    'B14 a function shown as %s is a function like any other',
    async (name, odd) => {
      expect(await odd.run()).toBe(name)
    },
  )

  it('B14 such names are no methods of a handle either', async () => {
    const counter = fn.RemoteCounter.remote() as unknown as Record<string, { run(): unknown }>
    expect(() => counter['__proto__']?.run()).toThrow(MethodNotFoundError)
    expect(() => counter['toString']?.run()).toThrow(MethodNotFoundError)
    expect(counter['constructor']).toBeUndefined()
    expect(String(counter as unknown)).toBe('ActorHandle(Counter)')
  })

  it.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a WeakMap', new WeakMap()],
    ['a Promise', Promise.resolve(1)],
    ['a socket', new Socket()],
  ])('B15 %s in an argument is refused at the call, with its path', (_, culprit) => {
    const { message, data } = thrownBy(
      () => fn.add.remote(1, { opts: [{ cb: culprit }] } as never),
      SerializationError,
    )
    expect(data['path']).toBe('args[1].opts[0].cb')
    expect(message).toContain('args[1].opts[0].cb')
  })

  it('B15 what a task returns is refused the same way, as the cause of a TaskError', async () => {
    const error = await caught(fn.returnFunction.run(), TaskError)
    expect(error.cause).toBeInstanceOf(SerializationError)
    expect((error.cause as SerializationError).data['path']).toBe('result')
  })

  it('B16 an instance of a class without a codec is an error, never a silent loss', async () => {
    const error = thrownBy(() => fn.echo.remote({ at: new Point() }), SerializationError)
    expect(error.message).toMatch(/args\[0\]\.at.*Point.*registerType/s)
    await caught(put(new Point()), SerializationError)
  })

  it('B17 an Error subclass keeps name, message, code, cause and own fields', async () => {
    const { cause } = await caught(fn.throwCoded.run(), TaskError)
    expect(cause).toMatchObject({ name: 'CodedError', message: 'outer', code: 'E_CODED' })
    expect((cause as Error).cause).toBeInstanceOf(TypeError)
    const sent = new fn.CodedError('as a value', { cause: new RangeError('r') })
    const back = (await fn.echo.run(sent)) as fn.CodedError
    expect(back).toMatchObject({ name: 'CodedError', message: 'as a value', code: 'E_CODED' })
    expect(back.cause).toBeInstanceOf(RangeError)
  })

  it('B18 a cyclic object round-trips', async () => {
    const value: { self?: unknown; list: unknown[] } = { list: [] }
    value.self = value
    value.list.push(value.list)
    const back = (await fn.echo.run(value)) as typeof value
    expect(back.self).toBe(back)
    expect(back.list[0]).toBe(back.list)
  })

  it('B19 NaN, -0, BigInt, Date, Map and undefined arrive as they were', async () => {
    const value = [
      Number.NaN,
      -0,
      2n ** 100n,
      new Date(5),
      new Map<unknown, unknown>([[{ k: 1 }, undefined]]),
      undefined,
      { a: undefined, b: [undefined, null] },
      Number.NEGATIVE_INFINITY,
      '\ud800',
    ]
    const back = (await fn.echo.run(value)) as unknown[]
    expect(back).toStrictEqual(value)
    expect(Object.is(back[1], -0)).toBe(true)
    expect(await get(await put(value))).toStrictEqual(value)
  })

  it('B20 buffers that may grow by more than 2 GiB are an ObjectTooLargeError with both sizes', async () => {
    const large = new ArrayBuffer(8, { maxByteLength: 2 ** 31 + 4096 })
    const error = await caught(put(large), ObjectTooLargeError)
    expect(error.data).toEqual({ maxBytes: 2 ** 31, sizeBytes: 2 ** 31 + 4088 })
    expect(() => fn.echo.remote(large)).toThrow(ObjectTooLargeError)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '2', 1e308])(
    'B21 numCpus: %s is a UsageError that says what to give',
    (numCpus) => {
      const error = thrownBy(() => fn.square.options({ numCpus: numCpus as number }), UsageError)
      expect(error.message).toMatch(/numCpus/)
    },
  )

  it('B21 too fine a fraction, -0 and near misses of names are told apart', () => {
    expect(() => fn.square.options({ numCpus: 0.333333 })).toThrow(UsageError)
    expect(() => fn.square.options({ numCpus: -0 })).not.toThrow()
    expect(() => fn.square.options({ resources: { CPUS: 1 } })).toThrow(/numCpus|CPU/)
    expect(() => fn.square.options({ numCPUs: 1 } as never)).toThrow(/did you mean.*numCpus/i)
  })

  it.each([
    { maxRetries: -2 },
    { maxRetries: 1.5 },
    { timeoutMs: 0 },
    { timeoutMs: -1 },
    { timeoutMs: 2 ** 31 },
  ])('B22 %j is a UsageError', (options) => {
    expect(() => fn.square.options(options)).toThrow(UsageError)
  })

  it('B23 a demand that nothing can hold is an InfeasibleError with the nearest miss', async () => {
    const error = await caught(fn.square.options({ numCpus: 3 }).run(1), InfeasibleError)
    expect(error.data).toMatchObject({ requested: { CPU: 3 } })
    expect(error.message).toMatch(/2 CPU|CPU.*2/)
  })

  it('B24 a ring of actors is a DeadlockError that names the chain', async () => {
    const [a, b] = [fn.RemotePeer.remote(), fn.RemotePeer.remote()]
    await get([a.meet.remote(b as never), b.meet.remote(a as never)])
    const error = await caught(a.round.run(), TaskError)
    let root: unknown = error
    while (root instanceof TaskError) root = root.cause
    expect(root).toBeInstanceOf(DeadlockError)
    expect((root as DeadlockError).data['chain']).toEqual(
      expect.arrayContaining(['Peer.round', 'Peer.ask']),
    )
    await kill(a)
    await kill(b)
  })

  it('B26 a freed ref is an ObjectFreedError; what only looks like a ref is none', async () => {
    const ref = await put({ a: 1 })
    ref.free()
    await caught(get(ref), ObjectFreedError)
    expect(() => fn.echo.remote(ref)).toThrow(ObjectFreedError)
    const forged = Object.create(ObjectRef.prototype) as ObjectRef
    await caught(get(forged), UsageError)
    await caught(wait([forged]), UsageError)
  })

  it('B27 get on a failed task: the original error, its chain, and both stacks', async () => {
    const error = await caught(fn.throwRange.run('the text'), TaskError)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect((error.cause as Error).message).toBe('the text')
    expect(error.message).toMatch(/throwRange threw RangeError: the text/)
    expect(error.task).toMatchObject({ name: 'throwRange', attempts: 1 })
    const stack = error.stack ?? ''
    const [remoteFrames = '', localFrames = ''] = stack.split('--- driver ---')
    expect(remoteFrames).toContain(placeOf('throw new RangeError(text)'))
    expect(localFrames).toContain('errors.test.ts')
    expect(stack).not.toMatch(/dist\/(index|chunk-)|\(?node:/)
    expect(remoteFrames.match(/ at /g)).toHaveLength(1)
    expect(localFrames).not.toContain('functions.ts')
  })

  it('B27 get on a cancelled task is a TaskCancelledError, again and again', async () => {
    const ref = fn.whenAborted.remote()
    await cancel(ref)
    await caught(get(ref), TaskCancelledError)
    await caught(get([ref]), TaskCancelledError)
  })

  it('B28 a missing, private or misspelt method is a MethodNotFoundError at the call', () => {
    const counter = fn.RemoteCounter.remote() as unknown as Record<
      string,
      { run(): unknown; remote(): unknown; options(o: object): unknown }
    >
    for (const name of ['inx', '_hidden', 'value', '#value', 'hasOwnProperty']) {
      const error = thrownBy(() => counter[name]?.remote(), MethodNotFoundError)
      expect(error.data).toMatchObject({ method: name })
      expect(error.message).toContain('inc')
    }
  })

  it('B28 a handle is not thenable: it may be returned from an async function', async () => {
    const counter = await Promise.resolve(fn.RemoteCounter.remote(4))
    expect((counter as unknown as { then?: unknown }).then).toBeUndefined()
    expect(await counter.read.run()).toBe(4)
    const made = await fn.makeCounter.run(3)
    expect(await made.read.run()).toBe(3)
  })

  it('B29 a name that is taken: ActorAlreadyExistsError with owner and since', async () => {
    const before = Date.now()
    const named = fn.RemoteCounter.options({ name: 'only one' })
    const first = await named.create()
    const error = await caught(named.create(), ActorAlreadyExistsError)
    expect(error.data).toMatchObject({ name: 'only one' })
    expect(String(error.data['owner'])).toMatch(/^[0-9a-f]+$/)
    expect(Number(error.data['since'])).toBeGreaterThanOrEqual(before - 1000)
    expect(Number(error.data['since'])).toBeLessThanOrEqual(Date.now() + 1000)
    await kill(first)
  })

  it.each(['NODE_OPTIONS', 'LD_PRELOAD', 'AWS_SECRET_ACCESS_KEY', 'A=B', '', 'VIRGA_WORKER_ID'])(
    'B34 the variable %j is an InvalidEnvError that names it and hides its value',
    (name) => {
      const runtimeEnv = { envVars: { [name]: 'secret-value' } }
      const error = thrownBy(() => fn.env.options({ runtimeEnv }), InvalidEnvError)
      expect(error.data).toMatchObject({ name })
      expect(error.message).not.toContain('secret-value')
    },
  )

  it('B34 more than 128 KiB of variables are refused', () => {
    const envVars = { A: 'x'.repeat(80_000), B: 'y'.repeat(80_000) }
    expect(() => fn.env.options({ runtimeEnv: { envVars } })).toThrow(InvalidEnvError)
  })

  it('throws the very value thrown, also when it is no Error', async () => {
    const error = await caught(fn.throwText.run(), TaskError)
    expect(error.cause).toBe('just text')
  })

  it.each(['getter', 'get', 'getPrototypeOf', 'ownKeys'] as const)(
    'an error that throws when it is read is told, and its worker lives: %s',
    async (kind) => {
      const { cause, task } = await caught(fn.throwUnreadable.run(kind), TaskError)
      expect(cause).toBeInstanceOf(Error)
      if (kind === 'getter') expect(cause).toMatchObject({ message: 'told' })
      expect(task.attempts).toBe(1)
    },
  )

  it.each(['getter', 'get', 'getPrototypeOf', 'ownKeys'] as const)(
    'a constructor may throw it too: %s',
    async (kind) => {
      const error = await caught(fn.RemoteUnmade.create(kind), ActorDiedError)
      expect(error.cause).toBeInstanceOf(TaskError)
      expect((error.cause as TaskError).cause).toBeInstanceOf(Error)
    },
  )

  it('an error class of the user arrives as Error with its name and fields', async () => {
    const { cause } = await caught(fn.throwApp.run(), TaskError)
    expect(cause).toBeInstanceOf(Error)
    expect(cause).toMatchObject({ name: 'AppError', message: 'of the app', detail: { a: 1 } })
  })

  it('tells dependents of a failed task what failed, without running them', async () => {
    const failed = fn.throwRange.remote('first')
    const error = await caught(fn.add.run(failed, fn.square.remote(2)), TaskError)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect(error.task).toMatchObject({ name: 'throwRange' })
    const last = fn.square.remote(fn.square.remote(failed))
    expect((await caught(get(last), TaskError)).cause).toBeInstanceOf(RangeError)
  })

  it('chains causes over two hops, and shows the deepest frames', async () => {
    const error = await caught(fn.relayTwice.run('deep'), TaskError)
    const names: string[] = []
    let at: unknown = error
    for (; at instanceof TaskError; at = at.cause) names.push(at.task.name)
    expect(names).toEqual(['relayTwice', 'relay', 'throwRange'])
    expect(at).toBeInstanceOf(RangeError)
    expect(error.message).toContain('RangeError: deep')
    expect(error.stack).toContain(placeOf('throw new RangeError(text)'))
  })

  it('one failure thrown by two gets is the same error, its stack written once', async () => {
    const ref = fn.throwRange.remote('twice')
    const first = await caught(get(ref), TaskError)
    const second = await caught(get([ref]), TaskError)
    expect(second.cause).toBe(first.cause)
    expect(first.stack?.split('--- driver ---')).toHaveLength(2)
  })

  it('every error of Virga has a code and says whether to try again', async () => {
    const error = await caught(fn.throwRange.run('x'), VirgaError)
    expect(error.code).toBe('ERR_TASK')
    expect(error.retryable).toBe(false)
  })

  it('remote() of what is neither function nor class is a UsageError', () => {
    expect(() => remote(undefined as never)).toThrow(UsageError)
    expect(() => remote(42 as never)).toThrow(UsageError)
  })
})

describe('errors over processes', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2 })
  })
  afterAll(shutdown)

  it('B13 a function that the worker does not have: FunctionNotFoundError', async () => {
    const error = await caught(driverOnly?.run() ?? Promise.resolve(), FunctionNotFoundError)
    expect(error.data).toMatchObject({ name: 'driverOnly' })
    expect(error.message).toContain('driver-only.ts')
  })

  it('B24 a task that waits for itself is a DeadlockError within 2 s of the ring closing', async () => {
    const keeper = fn.RemoteKeeper.remote()
    const ref = fn.waitsForKept.remote(keeper)
    const startMs = Date.now()
    await keeper.keep.run({ ref })
    let root: unknown = await caught(get(ref), TaskError)
    while (root instanceof TaskError) root = root.cause
    expect(root).toBeInstanceOf(DeadlockError)
    expect((root as DeadlockError).data['chain']).toEqual(['waitsForKept', 'waitsForKept'])
    expect(Date.now() - startMs).toBeLessThan(4000)
    await kill(keeper)
  })

  it('B25 a ref of a cluster that was left is a ForeignRefError', async () => {
    const ref = await put({ a: 1 })
    const boxed = { ref }
    await shutdown()
    await init({ address: 'local', numCpus: 2 })
    await caught(get(ref), ForeignRefError)
    await caught(wait([ref]), ForeignRefError)
    expect(() => fn.echo.remote(ref)).toThrow(ForeignRefError)
    expect(() => fn.echo.remote(boxed)).toThrow(ForeignRefError)
  })

  it('B47 an unhandled rejection of a running task is its error, retried under retryExceptions only', async () => {
    const error = await caught(fn.rejectsLater.run(), TaskError)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect(error.message).toContain('nobody caught this')
    expect(error.task).toMatchObject({ name: 'rejectsLater', attempts: 1 })
  })

  it('B47 so is an uncaught exception, told with the place where it was thrown', async () => {
    const error = await caught(fn.throwsLater.run(), TaskError)
    expect(error.message).toContain('thrown in a timer')
    expect(error.stack).toContain(placeOf("throw new Error('thrown in a timer')"))
  })

  it('B47 what a worker was given behind such a task runs elsewhere, uncharged', async () => {
    const failing = fn.rejectsLater.remote()
    const behind = Array.from({ length: 50 }, (_, i) =>
      fn.square.options({ maxRetries: 0 }).remote(i),
    )
    await caught(get(failing), TaskError)
    expect(await get(behind)).toHaveLength(50)
  })

  it('B47 a call of an actor is told what it failed with; the actor ends and restarts', async () => {
    const stray = fn.Stray.options({ maxRestarts: 1 }).remote()
    const pid = await stray.pid.run()
    const error = await caught(stray.failsLater.run(), TaskError)
    expect(error.cause).toMatchObject({ message: 'nobody caught this of an actor' })
    await until(async () => (await stray.pid.run().catch(() => pid)) !== pid)
    await kill(stray)
  })

  it('B47 process.exit in a task is told as such', async () => {
    const error = await caught(fn.exits.options({ maxRetries: 0 }).run(9, 3), WorkerCrashedError)
    expect(error.data).toMatchObject({ exitCode: 3 })
    expect(error.message).toContain('code 3')
  })

  it('B47 a handler of the user for what nobody catches decides: the attempt goes on', async () => {
    expect(await handlesItself.run()).toBe('for the handler')
  })

  it('F04 a task that ends every worker it is given is poison; others are unharmed', async () => {
    const good = Array.from({ length: 200 }, (_, i) => fn.square.remote(i))
    const error = await caught(fn.kills.run(99, 'SIGSEGV'), WorkerCrashedError)
    expect(error.data).toMatchObject({ poison: true, attempts: 4 })
    expect(await get(good)).toHaveLength(200)
  })

  it('nothing is lost behind a crash: tasks pushed after it run', async () => {
    const crash = fn.exits.options({ maxRetries: 0 }).remote(9, 7)
    const behind = Array.from({ length: 50 }, (_, i) => fn.square.remote(i))
    await caught(get(crash), WorkerCrashedError)
    await until(
      async () => (await wait(behind, { numReturns: 50, timeoutMs: 100 }))[1].length === 0,
    )
  })
})
