// A stored object loses its bytes: its owner has them made again, by the task that made them first,
// and whoever misses them waits for that. On one node, where no other copy can be.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  GetTimeoutError,
  ObjectCorruptedError,
  ObjectLostError,
  GcsUnavailableError,
  ObjectNotFoundError,
  TaskCancelledError,
} from '../../../runtime/common/errors.ts'
import { fromHex } from '../../../runtime/common/ids.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { cancel, get, put, wait } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { scaled } from '../../support/scale.ts'
import { caught, until } from '../../support/waiting.ts'
import * as fn from './lost-functions.ts'

/** At full size, a thousand. */
const CHAIN = scaled(1000)

let cluster: MemoryCluster
beforeEach(async () => {
  fn.runs.clear()
  fn.attempts.length = 0
  cluster = await MemoryCluster.start()
})
afterEach(() => cluster.stop())

/** Every stored object is gone, as with the disk that it was on. */
function loseAll(): void {
  cluster.store.free(cluster.store.list().map(({ objectId }) => objectId))
}
/** Once nobody has it mapped: pins linger. */
async function lose(...refs: readonly ObjectRef[]): Promise<void> {
  await until(() => cluster.store.list().every(({ pinnerCount }) => pinnerCount === 0))
  cluster.store.free(refs.map(({ id }) => fromHex(id)))
}
const ready = async (...refs: readonly ObjectRef[]): Promise<void> => {
  await wait(refs, { numReturns: refs.length })
}

describe('a lost result', () => {
  it('is made again by its task, as its next attempt', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(3)
      await ready(ref)
      await lose(ref)
      expect((await get(ref))[0]).toBe(3)
      expect(fn.attempts).toEqual([0, 1])
    }))

  it('is made once, however many wait for it', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(3)
      await ready(ref)
      await lose(ref)
      const gets = Array.from({ length: 20 }, () => get(ref))
      const tasks = Array.from({ length: 20 }, () => fn.first.run(ref))
      expect((await Promise.all(gets)).every((array) => array[0] === 3)).toBe(true)
      expect(await Promise.all(tasks)).toEqual(new Array(20).fill(3))
      expect(fn.runs.get('make 3')).toBe(2)
    }))

  it('and what it was made of, which nobody refers to any more', () =>
    cluster.run(async () => {
      const ref = sumsOf(3)
      await ready(ref)
      await until(() => cluster.store.stats().objectCount === 1) // the others are freed
      loseAll()
      expect((await get(ref))[0]).toBe(6)
      expect(fn.runs.get('make 1')).toBe(2)
      expect(fn.runs.get('plus 2')).toBe(2)
      // What was made for it alone goes again.
      await until(() => cluster.store.stats().objectCount === 1)
    }))

  it('of two, both of one run', () =>
    cluster.run(async () => {
      const [one, two] = fn.pair.remote(4)
      await ready(one, two)
      await lose(one, two)
      expect((await get([one, two])).map((array) => array[0])).toEqual([4, -4])
      expect(fn.runs.get('pair 4')).toBe(2)
    }))

  it('of a stream, by running it once more', () =>
    cluster.run(async () => {
      const refs: ObjectRef<Float64Array>[] = []
      for await (const ref of fn.items.remote(5)) refs.push(ref)
      await lose(...refs)
      const values = (await get(refs.slice(1, 4))).map((array) => array[0])
      expect(values).toEqual([1, 2, 3])
      expect((await get(refs)).map((array) => array[0])).toEqual([0, 1, 2, 3, 4])
      expect(fn.runs.get('items')).toBe(2)
      for (const ref of refs) ref.free()
      await until(() => cluster.store.stats().objectCount === 0)
    }))

  it('of an actor call, when it may run again', () =>
    cluster.run(async () => {
      const maker = fn.RemoteMaker.options({ maxTaskRetries: 1 }).remote()
      const ref = maker.make.remote(1)
      await ready(ref)
      await lose(ref)
      expect((await get(ref))[0]).toBe(201) // the second call of that actor
    }))

  it('whose only copy is there and cannot be read is made again', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(3)
      await ready(ref)
      await lose(ref)
      const corrupted = new ObjectCorruptedError('as a bucket that says it has it, and has not')
      const { raylet } = cluster.driver.deps
      const request = raylet.request.bind(raylet)
      Object.assign(raylet, {
        request: async (type: string, message: { objectIds: readonly string[] }) => {
          if (type === 'storePin' && fn.runs.get('make 3') === 1) throw corrupted
          if (type !== 'locateObjects') return await request(type as never, message as never)
          return { held: message.objectIds, silent: [], left: [] }
        },
      })
      expect((await get(ref))[0]).toBe(3)
      expect(fn.runs.get('make 3')).toBe(2)
    }))

  it('is looked for again while the GCS is away, which may know of a copy', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(3)
      await ready(ref)
      await lose(ref)
      const { raylet } = cluster.driver.deps
      const request = raylet.request.bind(raylet)
      let awayCount = 2
      Object.assign(raylet, {
        request: async (type: string, message: object) => {
          if (type === 'locateObjects' && awayCount-- > 0) throw new GcsUnavailableError('away')
          return await request(type as never, message as never)
        },
      })
      expect((await get(ref))[0]).toBe(3)
    }))

  it('may be small then', () =>
    cluster.run(async () => {
      const ref = fn.shrinks.remote()
      await ready(ref)
      await lose(ref)
      expect(await get(ref)).toEqual(new Float64Array(1).fill(2))
      expect(cluster.driver.lineage.counts().specs).toBe(0)
    }))

  it('is waited for by a task that was queued with it', () =>
    cluster.run(async () => {
      const refs = [1, 2, 3, 4].map((value) => fn.make.remote(value))
      await ready(...refs)
      loseAll()
      expect(await fn.firstOfAll.run(...refs)).toEqual([1, 2, 3, 4])
      expect([...fn.runs.values()]).toEqual([2, 2, 2, 2])
    }))

  it('is waited for by the call of an actor', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(5)
      const maker = fn.RemoteMaker.remote()
      await ready(ref, maker.make.remote(0))
      await lose(ref)
      expect(await maker.firstOf.run(ref)).toBe(5)
    }))

  it('is asked of its owner by who has got its ref', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(7)
      await ready(ref)
      await lose(ref)
      expect((await fn.behind.run({ ref }))[0]).toBe(70)
      expect(fn.runs.get('make 7')).toBe(2)
    }))

  it('with a ref inside still has it', () =>
    cluster.run(async () => {
      const inner = await put(fn.made(9))
      const outer = fn.wraps.remote({ ref: inner })
      await ready(outer)
      await lose(outer)
      const { ref } = await get(outer)
      expect((await get(ref))[0]).toBe(9)
    }))

  it('of a long chain is made without a deep stack', () =>
    cluster.run(async () => {
      const ref = sumsOf(CHAIN)
      await ready(ref)
      loseAll()
      expect((await get(ref))[0]).toBe((CHAIN * (CHAIN + 1)) / 2)
    }))
})

describe('a result of a later attempt', () => {
  it('stays until its reader has come to it', () =>
    cluster.run(async () => {
      const items = fn.second.remote()
      await get(items.completed)
      const values: (number | undefined)[] = []
      for await (const array of items.values()) values.push(array[0])
      expect(values).toEqual([1, 2])
    }))
})

describe('a lost result is told as lost', () => {
  it('when its task has used up its retries', () =>
    cluster.run(async () => {
      const ref = fn.make.options({ maxRetries: 1 }).remote(1)
      await ready(ref)
      await lose(ref)
      expect(await fn.first.run(ref)).toBe(1)
      await lose(ref)
      const error = await caught(fn.first.run(ref), ObjectLostError)
      expect(error.data).toMatchObject({ reason: 'RETRIES_USED_UP', task: 'make' })
      expect(fn.runs.get('make 1')).toBe(2)
    }))

  it('when it is of an actor whose last handle has gone, or that may not run twice', () =>
    cluster.run(async () => {
      const ref = fn.RemoteMaker.remote().make.remote(1)
      await ready(ref)
      await lose(ref)
      await caught(get(ref), ObjectNotFoundError)
    }))

  it('when its task may not run twice, or it was put: on one node nothing is asked for that', () =>
    cluster.run(async () => {
      const refs = [fn.makeOnce.remote(1), await put(fn.made(1))]
      await ready(...refs)
      loseAll()
      for (const ref of refs) await caught(get(ref), ObjectNotFoundError)
      expect(fn.runs.get('once 1')).toBe(1)
    }))

  it('when what it was made of was put, and is gone', () =>
    cluster.run(async () => {
      const ref = fn.plus.remote(await put(fn.made(1)), 1)
      await ready(ref)
      loseAll()
      const error = await caught(get(ref), ObjectLostError)
      expect(error.data).toMatchObject({ reason: 'PUT' })
      expect(error.message).toContain('put()')
    }))
})

describe('while it is made again', () => {
  it('a get with a time-out ends in time', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(1)
      await ready(ref)
      await lose(ref)
      await caught(get(ref, { timeoutMs: 0 }), GetTimeoutError)
      expect((await get(ref))[0]).toBe(1)
    }))

  it('cancel ends it', () =>
    cluster.run(async () => {
      const ref = fn.make.remote(1)
      await ready(ref)
      await lose(ref)
      const reading = get(ref)
      await until(() => fn.runs.get('make 1') === 2 || isRerun(ref))
      await cancel(ref)
      await reading.catch((error: unknown) => {
        expect(error).toBeInstanceOf(TaskCancelledError)
      })
    }))
})

describe('how results can be made again', () => {
  it('is known as long as they are referenced', () =>
    cluster.run(async () => {
      const ref = sumsOf(2)
      await ready(ref)
      expect(cluster.driver.lineage.counts().specs).toBe(2)
      ref.free()
      expect(cluster.driver.lineage.counts()).toEqual({ specs: 0, sizeBytes: 0 })
    }))

  it('takes nothing for small results', () =>
    cluster.run(async () => {
      const ref = fn.first.remote(await put(fn.made(1)))
      expect(await get(ref)).toBe(1)
      expect(cluster.driver.lineage.counts().specs).toBe(0)
    }))
})

/** 1 + … + count, each sum of its own task. Nobody keeps the refs before the last. */
function sumsOf(count: number): ObjectRef<Float64Array> {
  let ref = fn.make.remote(1)
  for (let add = 2; add <= count; add += 1) {
    const next = fn.plus.remote(ref, add)
    ref.free()
    ref = next
  }
  return ref
}

function isRerun(ref: ObjectRef): boolean {
  return cluster.driver.references.find(fromHex(ref.id) as never)?.task !== undefined
}
