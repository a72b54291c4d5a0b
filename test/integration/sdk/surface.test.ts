// What sdk.md promises of calls and their options, where nothing is to be ignored in silence.
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ActorDiedError,
  ActorUnavailableError,
  DeadlockError,
  MethodNotFoundError,
  SerializationError,
  TaskCancelledError,
  type TaskError,
  TaskTimeoutError,
  UsageError,
  WorkerCrashedError,
  get,
  init,
  limiter,
  remote,
  runtimeContext,
  shutdown,
} from 'virga'
import { thrownBy } from '../../support/thrown-by.ts'

const count = remote(function* count(n: number): Generator<number> {
  for (let i = 0; i < n; i += 1) yield i
})
const Steps = remote(
  class Steps {
    *steps(n: number): Generator<number> {
      for (let i = 0; i < n; i += 1) yield i
    }
  },
)
const Other = remote(
  class Other {
    go(): number {
      return 1
    }
  },
)
const Found = remote(class Found {}, { getIfExists: true })
const makes = remote(async function makes(): Promise<number> {
  const other = await Other.create()
  return other.go.run()
})
const one = remote(function one(_: unknown) {
  return 1
})
const arrow = remote((x: number) => x)
const spin = remote(function spin(ms: number) {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
  return runtimeContext().attempt
})
const leave = remote(function leave() {
  process.exit(7)
})
const RemoteLeaver = remote(
  class Leaver {
    leave(code: number): never {
      process.exit(code)
    }
  },
)
const many = remote(function many() {
  throw new AggregateError([new TypeError('one')], 'many')
})
const single = limiter('one at a time', { concurrency: 1 })
const inner = remote(async () => 'done', { limit: single })
const outer = remote(async () => inner.run(), { limit: single })

/** As who writes JavaScript, or casts, may use it. */
const callable = (made: unknown): ((...args: unknown[]) => unknown) =>
  made as (...args: unknown[]) => unknown
const constructible = (made: unknown): new () => unknown => made as new () => unknown

test('before init() the error names the function as it is shown', () => {
  expect(() => arrow.remote(1)).toThrow('arrow.remote() was called before init()')
})

test.each<[{ toString(): string }, string]>([
  [one, 'RemoteFunction one: call it with .remote(…) or .run(…)'],
  [arrow, 'RemoteFunction arrow: call it with .remote(…) or .run(…)'],
  [count, 'RemoteFunction count: call it with .remote(…) or .run(…)'],
  [one.options({ name: 'two' }), 'RemoteFunction one: call it with .remote(…) or .run(…)'],
  [Steps, 'RemoteClass Steps: make an actor of it with .remote(…)'],
])('what remote() gives is shown by how it is used: %o', (made, shown) => {
  expect(inspect(made)).toBe(shown)
  expect(made.toString()).toBe(shown)
})

test.each<[string, () => unknown, string]>([
  ['a function', () => callable(one)(1), 'one cannot be called directly: call it with .remote(…)'],
  ['a class', () => callable(Steps)(1), 'Steps cannot be called directly: make an actor of it'],
  ['a class with new', () => new (constructible(Steps))(), 'Steps cannot be called directly: make'],
  ['a function in a list', () => [1].map(callable(arrow)), 'arrow cannot be called directly: call'],
  ['a remote function in remote()', () => remote(callable(one)), 'remote() takes a function or a'],
])('what remote() gives is no plain function or class, and says so: %s', (_, call, says) => {
  const error = thrownBy(call, UsageError)
  expect(error.message).toContain(says)
  expect(error.stack).toContain('surface.test.ts')
  expect(error.stack).not.toContain('remote-target')
})

test('what remote() gives has nothing of a function but that', () => {
  expect(Object.keys(one)).toEqual(['remote', 'run', 'options', 'map', 'mapSettled', 'mapRefs'])
  for (const name of ['call', 'apply', 'bind']) expect(name in Steps, name).toBe(false)
  expect(Object.isFrozen(one)).toBe(true)
})

test('a module of init() that is no file is told, with the path that was looked at', async () => {
  const starting = init({ address: 'inline', modules: ['./nope'] })
  await expect(starting).rejects.toThrow(UsageError)
  await expect(starting).rejects.toThrow(/names '.\/nope', and there is no file \/.*\/nope/)
})

describe('inline', () => {
  beforeAll(() => init({ address: 'inline', numCpus: 4 }))
  afterAll(shutdown)

  test('numReturns of a generator is refused, of functions and methods', () => {
    const options = { numReturns: 2 }
    expect(() => count.options(options)).toThrow('count is a generator function')
    expect(() => Steps.options({ methods: { steps: options } })).toThrow('steps is a generator')
    expect(() => Steps.remote().steps.options(options)).toThrow('Steps.steps is a generator')
  })

  test('a generator function has no map', () => {
    const mapped = count as unknown as { map(inputs: number[]): unknown }
    expect(() => mapped.map([1])).toThrow(UsageError)
  })

  test('a handle of another class than the living actor is told so', async () => {
    await Steps.options({ name: 'steps' }).create()
    const other = Other.options({ name: 'steps', getIfExists: true }).remote()
    await expect(other.go.run()).rejects.toThrow(MethodNotFoundError)
  })

  test('a task that waits for an actor to be constructed has given its CPU back', async () => {
    expect(await makes.options({ numCpus: 4 }).run()).toBe(1)
  })

  test('an actor is found by its name as soon as remote() has returned', async () => {
    const made = Other.options({ name: 'at once' }).remote()
    const found = await Other.get('at once')
    expect(await found.go.run()).toBe(await made.go.run())
  })

  test('getIfExists may be given before the name; without one the call is refused', async () => {
    expect(() => Found.remote()).toThrow('getIfExists needs a name')
    await Found.options({ name: 'later' }).create()
  })

  test('a remote function as a value is refused by its name, and so is a remote class', () => {
    const { message } = thrownBy(() => one.remote({ with: arrow }), SerializationError)
    expect(message).toBe(
      'args[0].with cannot be sent to another process: it is the RemoteFunction arrow. Import it ' +
        'in the task that uses it, or send the ObjectRef that its .remote(…) gives.',
    )
    expect(() => one.remote(Steps)).toThrow('it is the RemoteClass Steps. Import it in the task')
  })

  test('a method that is called directly, or sent, says what to do, and so does one that is not', () => {
    const steps = Steps.remote()
    const called = thrownBy(() => callable(steps.steps)(), UsageError)
    expect(called.message).toContain('Steps.steps cannot be called directly: call it with .remote')
    expect(() => one.remote(steps.steps)).toThrow('it is the RemoteMethod Steps.steps. Send the h')
    const other = (steps as unknown as Record<string, () => unknown>)['nope']
    expect(other).toThrow(MethodNotFoundError)
  })

  test('a task or actor with an environment of its own is refused', () => {
    const runtimeEnv = { envVars: { MODE: 'test' } }
    expect(() => one.options({ runtimeEnv }).remote(1)).toThrow(
      'runtimeEnv.envVars needs a process',
    )
    expect(() => Steps.options({ runtimeEnv }).remote()).toThrow(UsageError)
  })

  test('options() of what is no object is refused at the call', () => {
    const refused = 'the options of one.options() must be an object'
    expect(() => one.options(null as unknown as object)).toThrow(refused)
    expect(() => one.options(5 as unknown as object)).toThrow(refused)
    expect(() => Steps.options(null as unknown as object)).toThrow('Steps.options()')
  })

  test('map() of what has no items is refused at the call', () => {
    expect(() => one.map(5 as unknown as number[])).toThrow('map() takes an iterable')
    expect(() => one.mapSettled(null as unknown as number[])).toThrow('map() takes an iterable')
  })

  test('a get whose signal is aborted already rejects, though the value is there', async () => {
    const ref = one.remote(1)
    expect(await get(ref)).toBe(1)
    const signal = AbortSignal.abort('enough')
    await expect(get(ref, { signal })).rejects.toBe('enough')
    await expect(get([ref], { signal })).rejects.toBe('enough')
  })

  test('a handle is shown as one', () => {
    expect(inspect(Steps.remote())).toBe('ActorHandle(Steps)')
  })

  test('mapSettled tells of an input that cannot be sent and goes on', async () => {
    const inputs = [1, () => 0, 2]
    const outcomes = await Array.fromAsync(one.mapSettled(inputs))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const [, refused] = outcomes
    expect(refused?.status === 'rejected' && refused.reason).toBeInstanceOf(SerializationError)
  })

  test('an error thrown at the call shows the line of the call first', () => {
    const call = (): unknown => one.remote({ deep: { cb: () => 0 } })
    let stack = ''
    try {
      call()
    } catch (error) {
      stack = (error as Error).stack ?? ''
    }
    expect(stack.split('\n')[1]).toContain('surface.test.ts')
  })

  test('a signal that is aborted already cancels what is submitted under it', async () => {
    const cancelled = one.options({ signal: AbortSignal.abort() })
    await expect(get(cancelled.remote(1))).rejects.toThrow(TaskCancelledError)
  })

  test('a synchronous function past its timeoutMs has timed out when it returns', async () => {
    const limited = spin.options({ timeoutMs: 20 })
    await expect(limited.run(60)).rejects.toThrow(TaskTimeoutError)
    const listed = limited.options({ retryExceptions: [TaskTimeoutError], maxRetries: 1 })
    await expect(listed.run(60)).rejects.toThrow(TaskTimeoutError)
    expect(await limited.run(0)).toBe(0)
  })

  test('process.exit() fails the task, not the program', async () => {
    const error = await leave.run().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(WorkerCrashedError)
    expect(error).toMatchObject({ data: { exitCode: 7 } })
  })

  test('process.exit() in a method ends the actor', async () => {
    const leaver = RemoteLeaver.remote()
    await expect(leaver.leave.run(7)).rejects.toThrow(ActorDiedError)
    await expect(leaver.leave.run(7)).rejects.toThrow(ActorDiedError)
    const restarted = RemoteLeaver.options({ maxRestarts: 1 }).remote()
    await expect(restarted.leave.run(7)).rejects.toThrow(ActorUnavailableError)
  })

  test('the errors inside an AggregateError show the frames of the user only', async () => {
    const error = (await many.run().catch((thrown: unknown) => thrown)) as TaskError
    const [first] = (error.cause as AggregateError).errors as Error[]
    expect(first?.stack).toContain('surface.test.ts')
    expect(first?.stack).not.toMatch(/dist\/|node:/)
  })

  test('one name is one limit', () => {
    expect(() => limiter('one at a time', { concurrency: 2 })).toThrow(UsageError)
    expect(() => limiter('one at a time', { concurrency: 1 })).not.toThrow()
  })

  test('B24: a task that waits for another one under its limiter is a ring', async () => {
    const error = (await outer.run().catch((thrown: unknown) => thrown)) as TaskError
    expect(error.cause).toBeInstanceOf(DeadlockError)
  })
})
