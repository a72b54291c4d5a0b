// The registry of remote functions: ordinals, identities, versions that differ, shown names.
import { afterEach, describe, expect, test } from 'vitest'
import { FunctionNotFoundError, UsageError } from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { Sources } from '../../../runtime/core-worker/function-sources.ts'
import {
  FUNCTIONS_PER_HOME_MAX,
  captureHomes,
  findRegistered,
  identify,
  lookup,
  park,
  registerFunction,
  registeredHomes,
  shownName,
} from '../../../runtime/core-worker/functions.ts'
import { registry } from '../../../runtime/core-worker/registry-system.ts'
import { readHomeFile } from '../../../runtime/core-worker/function-source-file.ts'
import type { FunctionDescriptor } from '../../../runtime/core-worker/functions.ts'
import { thrownBy } from '../../support/thrown-by.ts'

const HERE = import.meta.url
const remote = (fn: unknown, kind: 'task' | 'actor' = 'task'): FunctionDescriptor =>
  registerFunction(fn, kind, 0)
const sourcesOf = (text: string): Sources =>
  new Sources({ read: () => Buffer.from(text), hash: systemHash })
const disk = (): Sources => new Sources({ read: readHomeFile, hash: systemHash })

afterEach(() => {
  registry().homes.clear()
})

describe('registering a function', () => {
  test('numbers the calls of a home from 0', () => {
    const first = remote(() => 1)
    const second = remote(async function named(_a: number) {})
    expect([first.home, first.ordinal, second.home, second.ordinal]).toEqual([HERE, 0, HERE, 1])
    expect(second).toMatchObject({ ownName: 'named', name: 'named', arity: 1, shape: 'async' })
    expect(registeredHomes()).toEqual([HERE])
    expect(findRegistered(HERE, 1)).toBe(second)
  })

  test('accepts generators and classes and says so', () => {
    expect(remote(function* () {})).toMatchObject({ isGenerator: true, isAsyncGenerator: false })
    expect(remote(async function* () {})).toMatchObject({ isAsyncGenerator: true })
    class Counter {
      *items(): Generator<number> {}
    }
    const actor = remote(Counter, 'actor')
    expect(actor).toMatchObject({ kind: 'actor', isClass: true, name: 'Counter' })
    expect(actor.methods.get('items')).toEqual({ kind: 'stream' })
  })

  test.each([[undefined], [null], [1], ['f'], [{}]])('refuses %j', (value) => {
    expect(() => remote(value)).toThrow(UsageError)
  })

  test('refuses a function where a class is wanted', () => {
    expect(() => remote(function notAClass() {}, 'actor')).toThrow(/'notAClass' is no class/)
  })

  test('takes a home by URL for modules of Virga itself', () => {
    expect(registerFunction(() => 1, 'task', 'file:///virga/queue.js')).toMatchObject({
      home: 'file:///virga/queue.js',
      ordinal: 0,
    })
  })

  test('of a module of Virga itself survives a new build, and keeps no place among the homes', () => {
    class Own {}
    const own = registerFunction(Own, 'actor', 'file:///virga/own.js')
    const built = identify(own, sourcesOf('as the driver loaded it'))
    expect(lookup(built, sourcesOf('built anew'))).toBe(own)
    remote(() => 1)
    expect(registeredHomes()).toEqual([HERE])
  })

  test('refuses an endless number per home, naming options()', () => {
    registry().homes.set(HERE, Array.from<never>({ length: FUNCTIONS_PER_HOME_MAX }))
    expect(() => remote(() => 1)).toThrow(/use \.options\(\)/)
  })

  test('tells the watchers', () => {
    let told = 0
    const watcher = (): void => {
      told += 1
    }
    registry().watchers.add(watcher)
    remote(() => 1)
    void park()
    registry().watchers.delete(watcher)
    expect(told).toBe(2)
  })
})

describe('two copies of the package', () => {
  test('share one registry', async () => {
    const secondCopy = '../../../runtime/core-worker/registry-system.ts?copy=2'
    const copy = (await import(secondCopy)) as {
      registry: typeof registry
    }
    expect(copy.registry).not.toBe(registry)
    expect(copy.registry()).toBe(registry())
  })
})

describe('the identity of a function', () => {
  test('is found again where the home is the same', () => {
    const square = remote((x: number) => x * x)
    const identity = identify(square, sourcesOf('a'))
    expect(identity).toMatchObject({ home: HERE, ordinal: 0 })
    expect(identity.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(lookup(identity, sourcesOf('a'))).toBe(square)
  })

  test('B13: is refused with both sides where the file has changed', () => {
    const square = remote(function square() {})
    const identity = identify(square, sourcesOf('a'))
    const other = sourcesOf('b')
    const error = thrownBy(() => lookup(identity, other), FunctionNotFoundError)
    expect(error.message).toContain(identity.hash.slice(0, 12))
    expect(error.message).toContain(identify(square, other).hash.slice(0, 12))
    expect(error).toMatchObject({
      data: { name: 'square', hash: identity.hash, foundHash: identify(square, other).hash },
    })
  })

  test('differs by name and by arity', () => {
    const sources = sourcesOf('a')
    const hashes = [
      remote(function f() {}),
      remote(function g() {}),
      remote(function f(_x: 1) {}),
    ].map((fn) => identify(fn, sources).hash)
    expect(new Set(hashes).size).toBe(3)
  })

  test('B13: an ordinal that the home does not have is told with what it has', () => {
    const identity = {
      ...identify(
        remote(function known() {}),
        sourcesOf('a'),
      ),
      ordinal: 7,
      name: 'lost',
    }
    const error = thrownBy(() => lookup(identity, sourcesOf('a')), FunctionNotFoundError)
    expect(error.message).toMatch(/no remote function 'lost' \(number 7 of .*knows 'known' of it/s)
    expect(error.message).toContain('top level')
  })

  test.each(['__proto__', 'toString', 'constructor'])('B14: home and name %s are names', (name) => {
    const unknown = { home: name, ordinal: 0, hash: '', name }
    thrownBy(() => lookup(unknown, sourcesOf('')), FunctionNotFoundError)
    const own = remote(Object.defineProperty(() => 1, 'name', { value: name }))
    expect(lookup(identify(own, sourcesOf('')), sourcesOf(''))).toBe(own)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('is the same when a loader tells the hash instead of the file', () => {
    const fn = remote(() => 1)
    const noted = new Sources({ read: () => Buffer.from('changed'), hash: systemHash })
    noted.noteHash(HERE, Buffer.from(systemHash.sha256(Buffer.from('a'))).toString('hex'))
    expect(identify(fn, noted).hash).toBe(identify(fn, sourcesOf('a')).hash)
  })

  test('is of the file as it was when its home was captured, however late it is asked for', () => {
    let text = 'before'
    const sources = new Sources({ read: () => Buffer.from(text), hash: systemHash })
    const early = remote(function early() {})
    const stop = captureHomes(sources)
    const late = registerFunction(function late() {}, 'task', 'file:///late.js')
    stop()
    const after = registerFunction(function after() {}, 'task', 'file:///after.js')
    text = 'edited'
    const before = sourcesOf('before')
    const edited = sourcesOf('edited')
    expect(identify(early, sources)).toEqual(identify(early, before))
    expect(identify(late, sources)).toEqual(identify(late, before))
    expect(identify(after, sources)).toEqual(identify(after, edited))
  })

  test('of a home that is gone can still be told', () => {
    const gone = new Sources({ read: () => undefined, hash: systemHash })
    expect(
      identify(
        remote(function f() {}),
        gone,
      ).name,
    ).toBe('f')
  })
})

describe('the name that is shown', () => {
  test("is the function's own, else the variable's, else file:line", () => {
    const own = remote(function own() {})
    const arrow = remote((x: number) => x)
    const typed: FunctionDescriptor = remote(async () => 1)
    const broken = remote(() => 2)
    const table = { entry: remote(() => 3) }
    const [none] = [remote(() => 4)] as const
    const sources = disk()
    expect([own, arrow, typed, broken, table.entry].map((fn) => shownName(fn, sources))).toEqual([
      'own',
      'arrow',
      'typed',
      'broken',
      'entry',
    ])
    expect(shownName(none, sources)).toMatch(/^functions\.test\.ts:\d+$/)
  })
})

describe('park', () => {
  test('is counted and never resolves', async () => {
    const before = registry().parkCount
    const parked = park()
    expect(registry().parkCount).toBe(before + 1)
    await expect(Promise.race([parked, Promise.resolve('first')])).resolves.toBe('first')
  })
})
