// What Ray's tasks do, row by row, where no other test says it: retries, streams, cancellation and
// arguments over real processes.
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  GetTimeoutError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  WorkerCrashedError,
  cancel,
  get,
  init,
  shutdown,
  type ObjectRef,
} from 'virga'
import * as fn from './task-row-functions.ts'
import { linesOf, textFiles } from '../../support/text-files.ts'
import { caught, until } from '../../support/waiting.ts'

const aFile = textFiles()
beforeAll(async () => {
  await init({ address: 'local', numCpus: 2 })
})
afterAll(shutdown)

describe('maxRetries', () => {
  it('is 3 by default, for deaths of workers alone', async () => {
    const [file, thrown] = [aFile(), aFile()]
    await caught(fn.does.run(file, ['crash']), WorkerCrashedError)
    expect(linesOf(file)).toEqual(['0', '1', '2', '3'])
    await caught(fn.does.run(thrown, ['RangeError']), TaskError)
    expect(linesOf(thrown)).toEqual(['0'])
  })

  it('0 is never, -1 for ever', async () => {
    const file = aFile()
    await caught(fn.does.options({ maxRetries: 0 }).run(file, ['crash']), WorkerCrashedError)
    expect(linesOf(file)).toEqual(['0'])
    const deeds = [...Array.from({ length: 5 }, () => 'crash' as const), 'return' as const]
    expect(await fn.does.options({ maxRetries: -1 }).run(aFile(), deeds)).toBe(5)
  })

  it('deaths and, under retryExceptions, exceptions share one budget', async () => {
    const both = fn.does.options({ maxRetries: 2, retryExceptions: true })
    expect(await both.run(aFile(), ['crash', 'RangeError', 'return'])).toBe(2)
    await caught(both.run(aFile(), ['crash', 'RangeError', 'TypeError', 'return']), TaskError)
  })

  it('a list of retryExceptions names those that are tried again', async () => {
    const some = fn.does.options({ retryExceptions: [RangeError] })
    expect(await some.run(aFile(), ['RangeError', 'return'])).toBe(1)
    const { cause } = await caught(some.run(aFile(), ['TypeError', 'return']), TaskError)
    expect(cause).toBeInstanceOf(TypeError)
  })
})

describe('cancel', () => {
  it('by force ends the worker; the task is not tried again', async () => {
    const file = aFile()
    const call = fn.spins.remote(file)
    await until(() => linesOf(file).length === 1)
    await cancel(call, { force: true })
    await caught(get(call), TaskCancelledError)
    expect(await fn.one.run()).toBe(1)
    expect(await get([fn.one.remote(), fn.one.remote()])).toEqual([1, 1])
    expect(linesOf(file)).toEqual(['began'])
  })

  it('of what has finished does nothing', async () => {
    const call = fn.one.remote()
    expect(await get(call)).toBe(1)
    await cancel(call)
    await cancel(call, { force: true })
    expect(await get(call)).toBe(1)
  })

  it('with recursive: false leaves what the task has submitted', async () => {
    const [file, go] = [aFile(), aFile()]
    const parent = fn.waitsForChild.remote(file, go)
    await until(() => linesOf(file).length === 1)
    await cancel(parent, { recursive: false })
    await caught(get(parent), TaskCancelledError)
    expect(linesOf(file)).toEqual(['began'])
    writeFileSync(go, '')
    await until(() => linesOf(file).includes('child ended'))
  })

  it('without it cancels that too', async () => {
    const [file, go] = [aFile(), aFile()]
    const parent = fn.waitsForChild.remote(file, go)
    await until(() => linesOf(file).length === 1)
    await cancel(parent)
    await until(() => linesOf(file).includes('child ended'))
    writeFileSync(go, '')
  })
})

describe('streams', () => {
  it('are made again after a death, and give each item once', async () => {
    const read: number[] = []
    for await (const item of fn.items.run(5, 3)) read.push(item)
    expect(read).toEqual([0, 1, 2, 3, 4])
  })

  it('with streamBufferSize 1 are made one item at a time', async () => {
    const file = aFile()
    let most = 0
    let count = 0
    for await (const _ of fn.ahead.run(file, 20)) {
      count += 1
      most = Math.max(most, linesOf(file).length - count)
    }
    expect(count).toBe(20)
    expect(most).toBeLessThanOrEqual(2) // one that waits, and the one being made
  })

  it('cannot be passed on', () => {
    const stream = fn.items.remote(1, -1)
    expect(() => fn.kinds.remote(stream, { inner: 1 })).toThrow(SerializationError)
  })
})

describe('arguments', () => {
  it('refs at the top are values, refs inside are refs, wherever they go', async () => {
    const ref = fn.one.remote()
    const expected = ['number', 'ObjectRef']
    expect(await fn.kinds.run(ref, { inner: ref })).toEqual(expected)
    const actor = fn.RemoteKinds.remote(ref, { inner: ref })
    expect(await actor.given.run()).toEqual(expected)
    expect(await actor.method.run(ref, { inner: ref })).toEqual(expected)
  })

  it('small ones may be more than 10 MiB together', async () => {
    const texts = Array.from({ length: 200 }, () => 'x'.repeat(90_000))
    expect(await fn.lengths.run(...texts)).toBe(200 * 90_000)
  })
})

describe('get', () => {
  it('of several throws the first failure without waiting for the others', async () => {
    const [go, began] = [aFile(), aFile()]
    const slow: ObjectRef<unknown> = fn.untilFile.remote(go, began)
    await caught(get([slow, fn.does.remote(aFile(), ['RangeError'])]), TaskError)
    await caught(get(slow, { timeoutMs: 0 }), GetTimeoutError)
    writeFileSync(go, '')
    expect(await get(slow)).toBe('there')
    expect(await get(slow, { timeoutMs: 0 })).toBe('there')
  })
})
