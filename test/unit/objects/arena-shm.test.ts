// What only shared memory can get wrong: mappings, the collector, other processes, a full tmpfs.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import type { Arena } from '../../../runtime/objects/arena-access.ts'
import {
  MAPPINGS_MAX,
  type ShmArenaClient,
  createShmArena,
  openShmArena,
} from '../../../runtime/objects/arena-shm.ts'

const MIB = 1024 * 1024
const DEPS = { clock: systemClock, finalization: systemFinalization }

describe('the arena in shared memory', () => {
  let arena: Arena
  let client: ShmArenaClient

  beforeEach(async () => {
    arena = createShmArena({ sizeBytes: 64 * MIB })
    await arena.grow(16 * MIB)
    client = openShmArena(arena.path, arena.sizeBytes, DEPS)
  })

  afterEach(async () => {
    client.close()
    await arena.close()
  })

  const fill = (offset: number, sizeBytes: number, value: number): void => {
    client.writable(offset, sizeBytes).fill(value)
  }

  it('has no name in /dev/shm at any time', () => {
    expect(readdirSync('/dev/shm').filter((name) => name.includes('virga'))).toEqual([])
    expect(arena.path).toBe(`/proc/${process.pid}/fd/${arena.path.split('/').at(-1)}`)
  })

  it('maps 64 KiB and more, and copies less', () => {
    client.readable(0, 65_535)
    expect(client.mapped.count).toBe(0)
    const view = client.readable(0, 65_536)
    expect(view.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(client.mapped).toEqual({ count: 1, bytes: 65_536 })
  })

  it('B20: maps an object of 3 GiB like any other', async () => {
    // Only the pages that are touched here take memory.
    const big = createShmArena({ sizeBytes: 3072 * MIB })
    const reader = openShmArena(big.path, big.sizeBytes, DEPS)
    await big.write(3072 * MIB - 1, new Uint8Array([42]))
    const view = reader.readable(0, 3072 * MIB)
    expect(view.byteLength).toBe(3072 * MIB)
    expect([view[0], view[3072 * MIB - 1]]).toEqual([0, 42])
    reader.close()
    await big.close()
  })

  it('tells that a mapping is over when its array was collected, not before', async () => {
    fill(0, MIB, 1)
    let releasedCount = 0
    let view: Uint8Array | undefined = client.readable(0, MIB, () => {
      releasedCount += 1
    })
    await collectFor(50)
    expect(releasedCount).toBe(0)
    expect(view[MIB - 1]).toBe(1)
    view = undefined
    await expect.poll(() => collectAndGet(() => releasedCount)).toBe(1)
    expect(client.mapped).toEqual({ count: 0, bytes: 0 })
  })

  it('holds the pages while a structured clone of the array still shows them', async () => {
    fill(0, MIB, 7)
    let releasedCount = 0
    const clone = [structuredClone(client.readable(0, MIB, () => (releasedCount += 1)))]
    await collectFor(200)
    expect(releasedCount).toBe(0)
    expect(clone[0]?.[MIB - 1]).toBe(7)
    clone.pop()
    await expect.poll(() => collectAndGet(() => releasedCount), { timeout: 5000 }).toBe(1)
  })

  it('holds the pages while a worker thread has the array, and survives its end', async () => {
    fill(0, MIB, 9)
    let releasedCount = 0
    const source = `
      const { parentPort } = require('node:worker_threads')
      let held
      parentPort.on('message', (bytes) => { held ??= bytes; parentPort.postMessage(held[1000]) })`
    const thread = new Worker(source, { eval: true })
    thread.postMessage(client.readable(0, MIB, () => (releasedCount += 1)))
    expect(await once(thread, 'message')).toEqual([9])
    await collectFor(100)
    expect(releasedCount).toBe(0)
    await thread.terminate()
    await expect.poll(() => collectAndGet(() => releasedCount), { timeout: 5000 }).toBe(1)
  })

  it('survives transfer() and transfer lists, which such an array refuses', () => {
    fill(0, MIB, 3)
    const view = client.readable(0, MIB)
    const { buffer } = view as { buffer: { transfer?: () => unknown } }
    expect(() => buffer.transfer?.call(view.buffer)).not.toThrow()
    expect(() => structuredClone(view, { transfer: [view.buffer as ArrayBuffer] })).toThrow()
    expect(() => ArrayBuffer.prototype.transfer.call(view.buffer)).toThrow(TypeError)
    expect(view[5]).toBe(3)
  })

  it('leaves addresses behind that the process can use for other things', async () => {
    fill(0, 4 * MIB, 1)
    for (let round = 0; round < 8; round++) {
      for (let index = 0; index < 100; index++) client.readable(0, 4 * MIB)[index * 4096] = 2
      systemFinalization.collect()
      await turn()
      const others = Array.from({ length: 50 }, (_, index) => new Uint8Array(MIB).fill(index))
      const shared = new Uint8Array(new SharedArrayBuffer(MIB, { maxByteLength: MIB })).fill(99)
      for (const [index, other] of others.entries()) expect(isAll(other, index)).toBe(true)
      expect(isAll(shared, 99)).toBe(true)
    }
    expect(isAll(client.readable(0, 4 * MIB), 1)).toBe(true)
  })

  it('asks for a collection when what is mapped has doubled, but not all the time', async () => {
    const big = createShmArena({ sizeBytes: 2048 * MIB })
    const collectedAt: number[] = []
    const late: { delayMs: number; run: () => void }[] = []
    let nowMs = 0
    const reader = openShmArena(big.path, big.sizeBytes, {
      clock: {
        ...systemClock,
        monotonicMs: () => nowMs,
        immediate: (run) => run(),
        after: (delayMs, run) => {
          late.push({ delayMs, run })
          return { cancel: () => undefined }
        },
      },
      finalization: {
        ...systemFinalization,
        collect: () => {
          collectedAt.push(Math.ceil(reader.mapped.bytes / MIB))
          nowMs += 10
        },
      },
    })
    const views: Uint8Array[] = []
    for (let index = 0; index < 2048; index++) views.push(reader.readable(index * MIB, MIB))
    expect(collectedAt).toEqual([257])
    expect(late).toMatchObject([{ delayMs: 10 }])
    late[0]?.run()
    expect(collectedAt).toEqual([257, 2048])
    expect(views).toHaveLength(2048)
    reader.close()
    await big.close()
  })

  it('counts an object that is mapped often once', () => {
    const views = Array.from({ length: 1000 }, () => client.readable(MIB, MIB))
    expect(views).toHaveLength(1000)
    expect(client.mapped).toEqual({ count: 1000, bytes: MIB })
  })

  it('copies beyond 32,000 mappings, and maps again when some are over', async () => {
    fill(0, 65_536, 5)
    const views = Array.from({ length: MAPPINGS_MAX + 10 }, () => client.readable(0, 65_536))
    expect(client.mapped.count).toBe(MAPPINGS_MAX)
    let isReleased = false
    const copy = client.readable(0, 65_536, () => {
      isReleased = true
    })
    expect(isReleased).toBe(true)
    expect(copy.buffer).not.toBeInstanceOf(SharedArrayBuffer)
    expect(isAll(copy, 5)).toBe(true)
    views.length = 0
    await expect.poll(() => collectAndGet(() => client.mapped.count)).toBe(0)
    expect(client.readable(0, 65_536).buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  it('outlives a reader and a producer killed by SIGKILL in the middle', async () => {
    fill(0, 8 * MIB, 4)
    const mine = client.readable(0, 8 * MIB)
    const child = fork(join(import.meta.dirname, 'arena-shm-child.ts'), {
      env: { ...process.env, ARENA_PATH: arena.path, ARENA_BYTES: String(arena.sizeBytes) },
    })
    expect(await once(child, 'message')).toEqual([{ sum: 4 * 8 * MIB }, undefined])
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(isAll(mine, 4)).toBe(true)
    expect(client.readable(8 * MIB, 1000)[0]).toBe(6)
    fill(0, 8 * MIB, 8)
    expect(isAll(client.readable(0, 8 * MIB), 8)).toBe(true)
  })

  it('answers a full /dev/shm with an error, where touching pages would be SIGBUS', async () => {
    const { blocks, bsize } = statfsSync('/dev/shm')
    const big = createShmArena({ sizeBytes: 2 * blocks * bsize })
    await expect(big.grow(big.sizeBytes)).rejects.toMatchObject({
      code: 'ERR_CAPACITY',
      message: expect.stringContaining('--shm-size') as string,
      data: { reason: 'no-space', errno: 28 },
    })
    await big.grow(MIB)
    await big.write(MIB - 1, new Uint8Array([1]))
    await big.close()
  })

  it('says that there is no shared memory where there is none', () => {
    expect(() => createShmArena({ sizeBytes: MIB, folder: '/proc' })).toThrow(
      expect.objectContaining({
        code: 'ERR_CAPACITY',
        data: { reason: 'no-shm', folder: '/proc' },
      }),
    )
  })
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function collectAndGet(get: () => number): number {
  systemFinalization.collect()
  return get()
}

async function collectFor(durationMs: number): Promise<void> {
  for (const endMs = performance.now() + durationMs; performance.now() < endMs;) {
    systemFinalization.collect()
    await turn()
  }
}

function isAll(bytes: Uint8Array, value: number): boolean {
  return Buffer.compare(bytes, new Uint8Array(bytes.byteLength).fill(value)) === 0
}
