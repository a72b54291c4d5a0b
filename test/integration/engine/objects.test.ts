// Objects (issue item 4), over real processes and in the calling process.
import { readdirSync, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  ActorDiedError,
  GetTimeoutError,
  ObjectFreedError,
  ObjectStoreFullError,
  ObjectTooLargeError,
  OwnerDiedError,
  get,
  init,
  kill,
  put,
  shutdown,
  wait,
  type ObjectRef,
} from 'virga'
import * as fn from './functions.ts'
import { sessionDir, stateRows, storeStats } from '../../support/cluster-view.ts'
import { collect, untilFreed } from '../../support/collect.ts'
import { scaled } from '../../support/scale.ts'
import { caught, until } from '../../support/waiting.ts'
import { itWhere } from '../../support/where.ts'

const MIB = 1024 * 1024
const LARGE = 256 * 1024 // numbers: 2 MiB, far above what rides in a reply

describe.each(['local', 'inline'])('objects, address %s', (address) => {
  beforeAll(async () => {
    await init({ address, numCpus: 2, objectStoreMemoryBytes: 64 * MIB })
  })
  afterAll(shutdown)

  it('puts and gets small values and large ones', async () => {
    for (const value of [1, 'text', { a: [1, 2] }, 'x'.repeat(100 * 1024), 'y'.repeat(MIB)]) {
      expect(await get(await put(value))).toEqual(value)
    }
    const array = Float64Array.from({ length: LARGE }, (_, i) => i)
    expect(await get(await put(array))).toEqual(array)
  })

  it('what is at most 100 KiB rides in messages, what is more lies in the store', async () => {
    await untilFreed()
    const small = [await put('x'.repeat(99 * 1024)), fn.makeArray.remote(12 * 1024, 1)] as const
    expect((await get(small[1])).byteLength).toBe(96 * 1024)
    expect((await storeStats()).objectCount).toBe(0)
    const large = [await put('x'.repeat(101 * 1024)), fn.makeArray.remote(13 * 1024, 1)] as const
    expect((await get(large[1])).byteLength).toBe(104 * 1024)
    expect((await storeStats()).objectCount).toBe(2)
    for (const ref of [...small, ...large]) ref.free()
  })

  it('gets many refs in their order, mixed', async () => {
    const refs = [
      await put(1),
      fn.square.remote(3),
      await put(new Uint8Array(MIB).fill(2)),
    ] as const
    const [one, nine, bytes] = await get(refs)
    expect([one, nine, bytes.length, bytes[5]]).toEqual([1, 9, MIB, 2])
  })

  it('passes large results from task to task', async () => {
    const array = fn.makeArray.remote(LARGE, 0.5)
    expect(await fn.sumArray.run(array)).toBe(LARGE / 2)
    expect(await get([fn.sumArray.remote(array), fn.sumArray.remote(array)])).toEqual([
      LARGE / 2,
      LARGE / 2,
    ])
  })

  it('values are encoded at the call: a later change changes nothing', async () => {
    const small = { n: 1 }
    const large = new Float64Array(LARGE).fill(1)
    const refs = [fn.echo.remote(small), fn.sumArray.remote(large)] as const
    const stored = [await put(small), await put(large)] as const
    small.n = 2
    large.fill(9)
    expect(await get(refs)).toEqual([{ n: 1 }, LARGE])
    expect((await get(stored))[0]).toEqual({ n: 1 })
    expect((await get(stored[1]))[7]).toBe(1)
  })

  it('a task that scribbles on its argument scribbles on its own copy', async () => {
    const ref = await put(new Float64Array(LARGE).fill(3))
    expect(await fn.scribble.run(ref)).toBe(-1)
    expect(await fn.sumArray.run(ref)).toBe(3 * LARGE)
    const mine = await get(ref)
    mine.fill(-7)
    expect((await get(ref))[LARGE - 1]).toBe(3)
    expect(await fn.sumArray.run(ref)).toBe(3 * LARGE)
  })

  it('copy: true gives arrays over a plain ArrayBuffer', async () => {
    const ref = await put(new Float64Array(LARGE).fill(1))
    const copied = await get(ref, { copy: true })
    expect(copied.buffer).toBeInstanceOf(ArrayBuffer)
    expect(structuredClone(copied, { transfer: [copied.buffer] })).toHaveLength(LARGE)
    expect(await fn.sumArray.run(ref)).toBe(LARGE)
  })

  it('refs inside values stay refs, into a task and out of one', async () => {
    const ref = await put(41)
    expect(await fn.getInside.run({ ref })).toBe(41)
    const inside = await fn.putInside.run({ deep: [1] })
    expect(await get(inside.ref)).toEqual({ deep: [1] })
    const large = await fn.putInside.run(new Uint8Array(MIB).fill(8))
    expect((await get(large.ref as ObjectRef<Uint8Array>))[MIB - 1]).toBe(8)
    const nested = await put([await put([await put('innermost')])])
    const [middle] = await get(nested)
    const [inner] = await get(middle as ObjectRef<ObjectRef<string>[]>)
    expect(await get(inner as ObjectRef<string>)).toBe('innermost')
  })

  it('a worker that is not needed for work stays for the objects that it owns', async () => {
    const values = [1, 2, 3, 4, 5] // idle, one is too many: two per CPU may be kept for a while
    const gate = fn.RemoteGate.options({ maxConcurrency: values.length }).remote()
    const owning = values.map((n) => fn.putAndHold.options({ numCpus: 0 }).remote(n, gate))
    await until(async () => (await gate.now.run()) === values.length)
    await gate.open.run()
    const owned = await get(owning)
    const owners = new Set(owned.map(({ workerId }) => workerId))
    expect(owners.size).toBe(values.length)
    await until(async () => {
      const rows = await stateRows<{ workerId: string; state: string }>('workers')
      const staying = rows.filter((row) => owners.has(row.workerId) && row.state !== 'EXITING')
      return staying.length < owners.size // one was asked to leave
    })
    expect(await get(owned.map(({ ref }) => ref))).toEqual(values)
  })

  it('what a task has put outlives the actors that are made and killed after it', async () => {
    const owned = await Promise.all([1, 2, 3, 4].map((n) => fn.putInside.run(n)))
    const actors = owned.map(() => fn.RemoteCounter.remote())
    for (const actor of actors) await actor.inc.run()
    for (const actor of actors) {
      await kill(actor)
      await caught(actor.inc.run(), ActorDiedError)
    }
    expect(await get(owned.map(({ ref }) => ref))).toEqual([1, 2, 3, 4])
  })

  it('a ref inside a stored value lives as long as the value', async () => {
    const box = await (async () => put({ ref: await put(new Uint8Array(MIB).fill(5)) }))()
    collect()
    await fn.square.run(1)
    collect()
    const { ref } = await get(box)
    expect((await get(ref))[0]).toBe(5)
  })

  it('free() and using drop a handle; other handles are untouched', async () => {
    const ref = await put([1])
    const { ref: second } = await get(await put({ ref }))
    ref.free()
    ref.free()
    await caught(get(ref), ObjectFreedError)
    expect(await get(second)).toEqual([1])
    let leaked: ObjectRef<number>
    {
      using scoped = await put(5)
      leaked = scoped
      expect(await get(scoped)).toBe(5)
    }
    await caught(get(leaked), ObjectFreedError)
    expect(String(ref)).toBe('ObjectRef(freed)')
    expect(() => JSON.stringify({ second })).toThrow(/JSON/)
  })

  it('free() of the last handle frees the stored object at once', async () => {
    await untilFreed()
    const ref = await put(new Uint8Array(4 * MIB))
    expect((await storeStats()).objectCount).toBe(1)
    ref.free()
    await until(async () => (await storeStats()).objectCount === 0)
  })

  it('what a pending task needs stays, whatever its handles do', async () => {
    const ref = await put(new Float64Array(LARGE).fill(1))
    const result = fn.sumLater.remote(ref, fn.sleep.remote(100))
    ref.free()
    collect()
    expect(await get(result)).toBe(LARGE)
  })

  it('objects go with their last ref, those of tasks and borrowers too', async () => {
    await (async () => {
      const array = fn.makeArray.remote(LARGE, 1)
      await fn.sumArray.run(array)
      const { ref } = await fn.putInside.run(new Uint8Array(MIB))
      await get(ref)
      await fn.getInside.run({ ref: (await put(new Uint8Array(MIB))) as never })
    })()
    await untilFreed()
  })

  it('get polls with timeoutMs: 0 and tells how many are missing', async () => {
    const slow = fn.sleep.remote(5000)
    const error = await caught(get([await put(1), slow], { timeoutMs: 0 }), GetTimeoutError)
    expect(error.data).toMatchObject({ missing: 1, total: 2 })
    const aborted = AbortSignal.abort(new RangeError('mine'))
    await caught(get(slow, { signal: aborted }), RangeError)
    await caught(wait([slow], { signal: AbortSignal.timeout(10) }), DOMException)
  })
})

describe('the object store', () => {
  afterEach(shutdown)

  it('spills what is held beyond its size, and restores every byte', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 16 * MIB })
    const refs: ObjectRef<Uint8Array>[] = []
    for (let i = 0; i < 48; i += 1) refs.push(await put(new Uint8Array(MIB).fill(i)))
    expect((await storeStats()).totals['spilledBytes']).toBeGreaterThan(16 * MIB)
    expect(readdirSync(join(sessionDir(), 'spill')).length).toBeGreaterThan(0)
    await readAll(refs)
    const sums = await get(refs.map((ref) => fn.firstByte.remote(ref)))
    expect(sums).toEqual(refs.map((_, i) => i))
    for (const ref of refs) ref.free()
    await untilFreed()
    await until(() => readdirSync(join(sessionDir(), 'spill')).length === 0)
  })

  it('gets more than it can map at once, as long as nobody keeps the arrays', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 16 * MIB })
    for (let i = 0; i < 40; i += 1) {
      const array = await get(fn.makeArray.remote(LARGE, i))
      expect(array[LARGE - 1]).toBe(i)
    }
  })

  const whereShared = {
    can: process.env['VIRGA_OBJECT_STORE'] !== 'file',
    reason: 'copies hold nothing, so without shared memory all can be spilled and nobody waits',
  }
  itWhere(whereShared, 'puts that find it full wait until something is freed', async () => {
    await init({ address: 'local', numCpus: 1, objectStoreMemoryBytes: 16 * MIB })
    const { held, refs } = await fill(16)
    const late = put(new Uint8Array(4 * MIB).fill(9))
    expect(await Promise.race([late.then(() => 'stored'), fn.sleep.run(300)])).toBe(300)
    held.length = 0
    for (const ref of refs) ref.free()
    await until(() => {
      collect()
      return late.then(() => true)
    })
    expect((await get(await late))[0]).toBe(9)
  })

  it('takes an object larger than itself to the spill place, and gives it back whole', async () => {
    await init({ address: 'local', numCpus: 1, objectStoreMemoryBytes: 8 * MIB })
    const huge = new Uint8Array(20 * MIB)
    for (let i = 0; i < huge.length; i += 4096) huge[i] = i % 253
    const ref = await put(huge)
    expect(Buffer.compare(await get(ref), huge)).toBe(0)
    expect(await fn.firstByte.run(ref)).toBe(0)
    const made = fn.makeArray.remote(2 * MIB, 2) // 16 MiB
    expect((await get(made))[2 * MIB - 1]).toBe(2)
  })

  it('survives a reader that is killed while it maps an object', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 32 * MIB })
    const ref = await put(new Float64Array(LARGE).fill(4))
    const holder = fn.RemoteArrayHolder.remote()
    await holder.hold.run(ref)
    await caught(holder.crash.run(), ActorDiedError)
    expect(await fn.sumArray.run(ref)).toBe(4 * LARGE)
    ref.free()
    await untilFreed()
    await put(new Float64Array(LARGE * 8).fill(1))
  })

  it('an owner that dies takes its objects along: OwnerDiedError, what was fetched stays', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 64 * MIB })
    const holder = fn.RemoteHolder.remote()
    const { ref: large } = await holder.make.run(LARGE, 6)
    const { ref: fetched } = await holder.make.run(10, 7)
    expect(await get(fetched)).toEqual(new Float64Array(10).fill(7))
    await kill(holder)
    await until(async () => {
      try {
        await holder.pid.run()
        return false
      } catch {
        return true
      }
    })
    await caught(get(large, { timeoutMs: 5000 }), OwnerDiedError)
    await caught(get(fn.sumArray.remote(large)), OwnerDiedError)
    expect(await get(fetched)).toHaveLength(10)
  })

  it('without shared memory, files and copies behave the same (VIRGA_OBJECT_STORE=file)', async () => {
    process.env['VIRGA_OBJECT_STORE'] = 'file'
    try {
      await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 16 * MIB })
    } finally {
      delete process.env['VIRGA_OBJECT_STORE']
    }
    expect(readdirSync(sessionDir())).toContain('objects')
    const ref = await put(new Float64Array(LARGE).fill(3))
    expect(await fn.scribble.run(ref)).toBe(-1)
    expect(await fn.sumArray.run(ref)).toBe(3 * LARGE)
    const refs: ObjectRef<Uint8Array>[] = []
    for (let i = 0; i < 32; i += 1) refs.push(await put(new Uint8Array(MIB).fill(i)))
    await readAll(refs)
    for (const each of [ref, ...refs]) each.free()
    await untilFreed()
  })
})

/** The i-th is filled with i. In a function of its own, so that no frame holds the last array. */
async function readAll(refs: readonly ObjectRef<Uint8Array>[]): Promise<void> {
  for (const [i, ref] of refs.entries()) {
    const bytes = await get(ref)
    expect([bytes[0], bytes[MIB - 1]]).toEqual([i, i])
  }
}

/** Fills a store with arrays that this process maps, so that they cannot be spilled. */
async function fill(
  sizeMib: number,
): Promise<{ held: Uint8Array[]; refs: ObjectRef<Uint8Array>[] }> {
  const held: Uint8Array[] = []
  const refs: ObjectRef<Uint8Array>[] = []
  for (let i = 0; i < sizeMib - 1; i += 1) {
    const ref = await put(new Uint8Array(MIB - 64 * 1024).fill(i))
    refs.push(ref)
    held.push(await get(ref))
  }
  return { held, refs }
}

// The store waits 30 s before it gives up, so this runs in `npm run test:full` only; the rule
// itself is tested on a simulated clock in test/unit/objects.
if (scaled(10) === 10) {
  describe('the object store, in full', () => {
    afterEach(shutdown)

    const hasRoom = statfsSync('/dev/shm').bavail * statfsSync('/dev/shm').bsize > 6 * 2 ** 30
    itWhere(
      { can: hasRoom && freemem() >= 12 * 2 ** 30, reason: 'it takes 12 GiB of free memory' },
      'B20: an object of 5 GiB arrives whole',
      async () => {
        await init({ address: 'local', numCpus: 1, objectStoreMemoryBytes: 6 * 2 ** 30 })
        const large = new Uint8Array(5 * 2 ** 30)
        const marks = [0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, large.length - 1]
        for (const [index, at] of marks.entries()) large[at] = index + 1
        const ref = await put({ large })
        const back = (await get(ref)).large
        expect(back.length).toBe(large.length)
        expect(marks.map((at) => back[at])).toEqual([1, 2, 3, 4, 5])
        expect(
          await fn.firstByte.run(await put(back.subarray(2 ** 32 - 1, 2 ** 32 + 2 ** 20))),
        ).toBe(3)
      },
      300_000,
    )

    itWhere(
      { can: freemem() >= 8 * 2 ** 30, reason: 'it takes 8 GiB of free memory' },
      'B20: strings of more than 2 GiB are an ObjectTooLargeError with both sizes',
      async () => {
        await init({ address: 'local', numCpus: 1 })
        const halfGib = 'x'.repeat(2 ** 29 - 24) // as long as a string can be
        const strings = Array.from({ length: 5 }, () => halfGib)
        const { data } = await caught(put(strings), ObjectTooLargeError)
        expect(data['maxBytes']).toBe(2 ** 31)
        expect(data['sizeBytes']).toBeGreaterThanOrEqual(5 * halfGib.length)
        expect(await get(await put('and the next one is stored'))).toContain('next')
      },
      120_000,
    )

    it('a put fails with ObjectStoreFullError once nothing was freed for 30 s', async () => {
      await init({ address: 'local', numCpus: 1, objectStoreMemoryBytes: 16 * MIB })
      const { held } = await fill(16)
      const startMs = Date.now()
      await caught(put(new Uint8Array(4 * MIB)), ObjectStoreFullError)
      expect(Date.now() - startMs).toBeGreaterThan(29_000)
      expect(held[3]?.[0]).toBe(3)
    }, 60_000)
  })
}
