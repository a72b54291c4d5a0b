// How a worker finds functions (M1-M5), on a clock that passes only when told.
import { afterEach, describe, expect, test } from 'vitest'
import { FunctionNotFoundError } from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { Sources } from '../../../runtime/core-worker/function-sources.ts'
import { identify, park, registerFunction } from '../../../runtime/core-worker/functions.ts'
import { registry } from '../../../runtime/core-worker/registry-system.ts'
import { ModuleLoader, explainUncaught } from '../../../runtime/worker/module-loader.ts'
import type { FunctionIdentity } from '../../../runtime/protocol/actor-messages.ts'
import { HandClock } from '../../support/hand-clock.ts'

const sources = new Sources({ read: () => Buffer.from('source'), hash: systemHash })

/** Time passes only when told; a turn of the event loop is a real one. */
class ClockOfImports extends HandClock {
  override immediate(run: () => void): void {
    setImmediate(run)
  }
  override async advance(byMs: number): Promise<void> {
    await turns()
    await super.advance(byMs)
    await turns()
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

type Module = () => unknown

/** Modules by URL; each is evaluated once, like those of Node. */
function aLoader(
  modules: Record<string, Module>,
  options: ConstructorParameters<typeof ModuleLoader>[1] = {},
): { loader: ModuleLoader; clock: HandClock; imported: string[] } {
  const clock = new ClockOfImports()
  const imported: string[] = []
  const importModule = async (url: string): Promise<unknown> => {
    imported.push(url)
    await Promise.resolve()
    const module = modules[url]
    if (module === undefined)
      throw Object.assign(new Error(`Cannot find module '${url}'`), {
        code: 'ERR_MODULE_NOT_FOUND',
      })
    return module()
  }
  return { loader: new ModuleLoader({ importModule, clock, sources }, options), clock, imported }
}

const registers = (home: string, name = 'fn'): void => {
  registerFunction(
    Object.defineProperty(() => 1, 'name', { value: name }),
    'task',
    home,
  )
}

/** What a driver that has the same modules would send. */
function identityOf(home: string, ordinal = 0): FunctionIdentity {
  const homes = new Map(registry().homes)
  registry().homes.clear()
  for (let made = 0; made <= ordinal; made++) registers(home)
  const descriptor = registry().homes.get(home)?.[ordinal]
  registry().homes.clear()
  for (const [key, value] of homes) registry().homes.set(key, value)
  if (descriptor === undefined) throw new Error('not made')
  return identify(descriptor, sources)
}

afterEach(() => {
  registry().homes.clear()
  registry().parkCount = 0
})

describe('a worker that needs a function', () => {
  test('imports its home once, at first need', async () => {
    const { loader, imported } = aLoader({ 'file:///a': () => registers('file:///a') })
    const identity = identityOf('file:///a')
    expect(loader.find(identity)).toBeUndefined()
    expect(imported).toEqual([])
    const found = await loader.resolve(identity)
    expect(found).toMatchObject({ home: 'file:///a', ordinal: 0 })
    expect(loader.find(identity)).toBe(found)
    expect(await loader.resolve(identity)).toBe(found)
    expect(imported).toEqual(['file:///a'])
  })

  test('waits for the top-level awaits below remote(): the function may use what they load', async () => {
    let finish = (): void => undefined
    const { loader } = aLoader({
      'file:///a': async () => {
        registers('file:///a')
        await new Promise<void>((resolve) => (finish = resolve))
      },
    })
    let done = false
    const resolving = loader.resolve(identityOf('file:///a')).then((found) => {
      done = true
      return found
    })
    await turns()
    expect(done).toBe(false)
    finish()
    expect(await resolving).toMatchObject({ ordinal: 0 })
  })

  test('takes the function of a home whose import hangs, after a while', async () => {
    const { loader, clock } = aLoader({
      'file:///a': () => (registers('file:///a'), new Promise(() => undefined)),
    })
    const resolving = loader.resolve(identityOf('file:///a'))
    await clock.advance(30_000)
    expect(await resolving).toMatchObject({ ordinal: 0 })
    expect(clock.pendingCount).toBe(0)
  })

  test('is told that a home never finished importing', async () => {
    const { loader, clock } = aLoader({ 'file:///a': () => new Promise(() => undefined) })
    const resolving = loader.resolve(identityOf('file:///a')).catch((error: unknown) => error)
    await clock.advance(30_000)
    await clock.advance(90_000)
    expect(await resolving).toBeInstanceOf(FunctionNotFoundError)
    expect(await resolving).toMatchObject({ message: expect.stringContaining('120 s') as string })
  })

  test('does not mind an import that throws after it registered the function', async () => {
    const { loader } = aLoader({
      'file:///a': () => {
        registers('file:///a')
        throw new Error('describe() outside of a test run')
      },
    })
    expect(await loader.resolve(identityOf('file:///a'))).toMatchObject({ ordinal: 0 })
  })

  test('is told why a home cannot be imported, with the module, the error and what to do', async () => {
    const failure = new TypeError('no such thing')
    const { loader } = aLoader({
      'file:///a': () => {
        throw failure
      },
    })
    const error = await loader.resolve(identityOf('file:///a')).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(FunctionNotFoundError)
    expect(error).toMatchObject({
      cause: failure,
      message: expect.stringMatching(
        /cannot import file:\/\/\/a.*'fn'.*TypeError: no such thing.*init\(\)/s,
      ) as string,
    })
  })

  test.each([
    ['EADDRINUSE', /already listens.*await init\(\)/],
    ['ERR_MODULE_NOT_FOUND', /path aliases/],
    ['ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX', /no enums/],
  ])('is told what %s means', async (code, hint) => {
    const { loader } = aLoader({
      'file:///a': () => {
        throw Object.assign(new Error('listen'), { code })
      },
    })
    await expect(loader.resolve(identityOf('file:///a'))).rejects.toThrow(hint)
    expect(explainUncaught(Object.assign(new Error('listen'), { code }))).toMatch(hint)
  })

  test('B13: is told that the home has no such function', async () => {
    const { loader } = aLoader({ 'file:///a': () => registers('file:///a') })
    await expect(loader.resolve(identityOf('file:///a', 3))).rejects.toThrow(
      /number 3 of file:\/\/\/a.*'fn'/s,
    )
  })

  test('imports one home at a time', async () => {
    let inside = 0
    let most = 0
    const slowly =
      (home: string): Module =>
      async () => {
        most = Math.max(most, ++inside)
        await turns()
        registers(home)
        inside -= 1
      }
    const { loader } = aLoader({
      'file:///a': slowly('file:///a'),
      'file:///b': slowly('file:///b'),
    })
    await Promise.all([
      loader.resolve(identityOf('file:///a')),
      loader.resolve(identityOf('file:///b')),
    ])
    expect(most).toBe(1)
  })
})

describe('a home that waits in init()', () => {
  const parks =
    (home: string): Module =>
    () => (registers(home), park())

  test('is imported as far as it matters', async () => {
    const { loader, clock } = aLoader({ 'file:///app': parks('file:///app') })
    expect(await loader.resolve(identityOf('file:///app'))).toMatchObject({ ordinal: 0 })
    expect(clock.pendingCount).toBe(0)
    expect(registry().watchers.size).toBe(0)
  })

  test('does not keep what is evaluated beside it from registering', async () => {
    const { loader } = aLoader({
      'file:///app': async () => {
        const parked = park()
        await Promise.resolve()
        registers('file:///app')
        return parked
      },
    })
    expect(await loader.resolve(identityOf('file:///app'))).toMatchObject({ ordinal: 0 })
  })

  test('gives a sibling that loads slowly its grace', async () => {
    const { loader } = aLoader({
      'file:///app': async () => {
        const parked = park()
        await turns()
        registers('file:///app')
        return parked
      },
    })
    expect(await loader.resolve(identityOf('file:///app'))).toMatchObject({ ordinal: 0 })
  })

  test('before it registered the function needs a worker that imports the entry first', async () => {
    const { loader, clock } = aLoader({ 'file:///tasks': () => park() }, { entry: 'file:///app' })
    const resolving = loader.resolve(identityOf('file:///tasks'))
    await clock.advance(100)
    expect(await resolving).toBe('needsEntryFirst')
  })

  test('that worker finds the function, though the import of its home never settles', async () => {
    const { loader, imported, clock } = aLoader(
      {
        'file:///app': () => (registers('file:///tasks'), park()),
        'file:///tasks': () => new Promise(() => undefined),
      },
      { entry: 'file:///app', entryFirst: true },
    )
    expect(await loader.resolve(identityOf('file:///tasks'))).toMatchObject({
      home: 'file:///tasks',
    })
    expect(imported).toEqual(['file:///app', 'file:///tasks'])
    expect(clock.pendingCount).toBe(0)
  })

  test('is told to call remote() above init() when the entry first was of no help', async () => {
    const { loader, clock } = aLoader(
      { 'file:///app': () => park(), 'file:///tasks': () => park() },
      { entry: 'file:///app', entryFirst: true },
    )
    const resolving = loader.resolve(identityOf('file:///tasks')).catch((error: unknown) => error)
    await clock.advance(100)
    await clock.advance(100)
    expect(await resolving).toMatchObject({
      name: 'FunctionNotFoundError',
      message: expect.stringContaining('above init()') as string,
    })
  })

  test('and is the entry itself: no fresh worker could help', async () => {
    const { loader, clock } = aLoader({ 'file:///app': () => park() }, { entry: 'file:///app' })
    const resolving = loader.resolve(identityOf('file:///app')).catch((error: unknown) => error)
    await clock.advance(100)
    expect(await resolving).toBeInstanceOf(FunctionNotFoundError)
  })
})

describe('preloading', () => {
  test('imports the entry first when it is among the homes, and each home once', async () => {
    const { loader, imported } = aLoader(
      { 'file:///a': () => registers('file:///a'), 'file:///app': () => registers('file:///app') },
      { entry: 'file:///app' },
    )
    await loader.preload(['file:///a', 'file:///app', 'file:///a'])
    expect(imported).toEqual(['file:///app', 'file:///a'])
    expect(loader.find(identityOf('file:///a'))).toBeDefined()
  })

  test('never imports the entry for its own sake', async () => {
    const { loader, imported } = aLoader({ 'file:///a': () => 1 }, { entry: 'file:///app' })
    await loader.preload(['file:///a'])
    expect(imported).toEqual(['file:///a'])
  })

  test('keeps a failure until one of its functions is needed', async () => {
    const { loader } = aLoader({ 'file:///b': () => registers('file:///b') })
    await loader.preload(['file:///a', 'file:///b'])
    expect(await loader.resolve(identityOf('file:///b'))).toMatchObject({ home: 'file:///b' })
    await expect(loader.resolve(identityOf('file:///a'))).rejects.toThrow(/Cannot find module/)
  })
})
