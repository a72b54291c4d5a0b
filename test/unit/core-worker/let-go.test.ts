// What a call holds of others is let go when it ends, however it ends and whatever dies meanwhile.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import { entryOf } from '../../../runtime/core-worker/object-ref.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { cancel, get, put, wait } from '../../../sdk/get-put-wait.ts'
import { ObjectStoreFullError, TaskCancelledError } from '../../../runtime/common/errors.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { caught, until } from '../../support/waiting.ts'
import * as fn from './waiting-functions.ts'

let cluster: MemoryCluster
beforeEach(async () => {
  fn.reset()
  cluster = await MemoryCluster.start()
})
afterEach(() => cluster.stop())

const large = (): Promise<ObjectRef<Uint8Array>> => put(new Uint8Array(200_000))

/** The argument of a call that was cancelled, once nothing else refers to it. */
async function freed(argument: ObjectRef<Uint8Array>): Promise<void> {
  const entry = entryOf(argument)
  await until(() => entry.uses === 0)
  argument.free()
  await until(() => cluster.store.list().length === 0)
}

async function cancelled(call: ObjectRef<unknown>): Promise<void> {
  await cancel(call)
  await caught(get(call), TaskCancelledError)
}

describe('a cancelled call lets go of its argument', () => {
  it('when the worker of its task dies before it has answered', () =>
    cluster.run(async () => {
      const argument = await large()
      const call = fn.waits.remote(argument)
      await until(() => fn.waiting() === 1)
      await cancelled(call)
      for (const name of [...cluster.workers.keys()]) cluster.kill(name)
      await freed(argument)
    }))

  it('when its actor dies before it has answered', () =>
    cluster.run(async () => {
      const argument = await large()
      const call = fn.RemoteWaiter.remote().wait.remote(argument)
      await until(() => fn.waiting() === 1)
      await cancelled(call)
      for (const name of [...cluster.workers.keys()]) cluster.kill(name)
      await freed(argument)
    }))

  it('at once when it had not begun, however long the call before it runs', () =>
    cluster.run(async () => {
      const actor = fn.RemoteWaiter.options({ maxConcurrency: 1 }).remote()
      const first = actor.wait.remote(undefined)
      await until(() => fn.waiting() === 1)
      const argument = await large()
      const second = actor.wait.remote(argument)
      await until(() => entryOf(argument).uses === 1)
      await cancelled(second)
      await freed(argument)
      fn.release()
      await get(first)
    }))
})

it('what an owner was to be told goes with it, also when its calls end after it', () =>
  cluster.run(async () => {
    const actor = fn.RemoteWaiter.remote()
    const own = actor.wait.remote(undefined)
    await until(() => fn.waiting() === 1)
    const [home = ''] = [...cluster.workers.values()]
      .filter(({ worker }) => worker.execution?.executor.runningCount === 1)
      .map(({ name }) => name)
    for (let i = 0; i < 3; i += 1) {
      const through = fn.callsThrough.options({ maxRetries: 0 }).remote(actor)
      await until(() => fn.waiting() === 2 + i)
      for (const name of [...cluster.workers.keys()]) if (name !== home) cluster.kill(name)
      await get(through).catch(() => undefined)
    }
    fn.release()
    await get(own)
    await until(() => cluster.workers.get(home)?.worker.execution?.replies.ownerCount === 1)
  }))

it('an item that is there already is read without a word to the raylet', () =>
  cluster.run(async () => {
    await get([fn.readsBuffered.remote(1), fn.readsBuffered.remote(1)])
    const told = [...cluster.workers.values()].map(({ worker }) =>
      vi.spyOn(worker.deps.raylet, 'notify'),
    )
    expect(await fn.readsBuffered.run(50)).toBe(50)
    const types = told.flatMap(({ mock }) => mock.calls.map(([type]) => type))
    expect(types).toContain('blocked') // for the stream as a whole
    expect(types.filter((type) => type === 'blocked').length).toBeLessThan(5)
  }))

it('what was stored of several returns goes when the next finds no room', () =>
  cluster.run(async () => {
    await get([fn.readsBuffered.remote(1), fn.readsBuffered.remote(1)])
    let stored = 0
    for (const { worker } of cluster.workers.values()) {
      const { store } = worker
      const put = store.put.bind(store)
      vi.spyOn(store, 'put').mockImplementation((...object) => {
        stored += 1
        if (stored === 3) return Promise.reject(new ObjectStoreFullError('no room: injected'))
        return put(...object)
      })
    }
    const [first] = fn.threeLarge.options({ maxRetries: 0 }).remote()
    await expect(get(first)).rejects.toThrow('no room: injected')
    expect(stored).toBe(3)
    await until(() => cluster.store.list().length === 0)
  }))

it('who borrows an object and never reads it gives it back with free()', () =>
  cluster.run(async () => {
    const unread = await large()
    await fn.freesUnread.run({ ref: unread })
    expect(fn.freedUnread).toHaveLength(1)
    const entry = entryOf(unread)
    await until(() => entry.sharing?.borrowerCount === 0)
    unread.free()
    await until(() => cluster.store.list().length === 0)
  }))

describe('what is freed before it is there goes as it comes', () => {
  const BYTES = 200_000

  /** Each is freed while it is pending. @returns the refs, and who waits for what they refer to. */
  const PENDING: Record<string, () => Promise<[ObjectRef<unknown>, Promise<unknown>?]>> = {
    'the result of a task': () => Promise.resolve([fn.makesLarge.remote(BYTES)]),
    'one that a get waits for': () => {
      const result = fn.makesLarge.remote(BYTES)
      return Promise.resolve([result, get(result)])
    },
    'one that this process borrows, and waits for': async () => {
      const { ref } = await fn.putsLarge.run(BYTES) // that whose value has it is gone, as below
      return [ref, wait([ref])]
    },
  }

  it.each(Object.entries(PENDING))('%s', (_, make) =>
    cluster.run(async () => {
      const [ref, waiting] = await make()
      const entry = entryOf(ref) // no collector takes it
      expect(entry.pending).toBe(true)
      ref.free()
      await waiting
      await until(() => !entry.pending && cluster.store.list().length === 0)
    }),
  )
})

describe('what is read through no handle of the program goes as it is read', () => {
  const COUNT = 3
  const bytes = Array.from({ length: COUNT }, (_, i) => 200_000 + i)
  const READ: Record<string, () => Promise<unknown>> = {
    run: () => fn.makesLarge.run(bytes[0] as number),
    'run of several returns': () => fn.threeLarge.run(),
    'the values of a stream': () => Array.fromAsync(fn.largeOnes.run(bytes)),
    map: () => Array.fromAsync(fn.makesLarge.map(bytes)),
    mapSettled: () => Array.fromAsync(fn.makesLarge.mapSettled(bytes)),
  }

  it.each(Object.entries(READ))('%s', (_, read) =>
    cluster.run(async () => {
      const kept: ObjectEntry[] = []
      const { references } = cluster.driver
      const freed = references.freed.bind(references)
      vi.spyOn(references, 'freed').mockImplementation((entry) => {
        kept.push(entry) // no collector takes it
        freed(entry)
      })
      await read()
      expect(kept.length).toBeGreaterThan(0)
      // What was read is a view of the object, which goes with it.
      await until(() => cluster.store.list().every(({ state }) => state === 'FREED'))
    }),
  )
})
