// F41, F68: a spill file that was damaged, cut or removed is noticed by checksum: a program gets
// the very bytes that it put, or an ObjectCorruptedError, and never others (issue item 4). What a
// task gave is made again by it.
import {
  closeSync,
  openSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ObjectCorruptedError, get, init, put, shutdown, wait, type ObjectRef } from 'virga'
import { sessionDir } from '../../support/cluster-view.ts'
import { until } from '../../support/waiting.ts'
import { echo, filledBytes } from './functions.ts'

const MIB = 1024 * 1024
const STEP_BYTES = 64 * 1024

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  // One bit each time, so that every object in the file has one.
  'has flipped bits': (path) => {
    const file = openSync(path, 'r+')
    const byte = Buffer.alloc(1)
    for (let at = STEP_BYTES / 2; at < statSync(path).size; at += STEP_BYTES) {
      readSync(file, byte, 0, 1, at)
      writeSync(file, Buffer.of(byte.readUInt8() ^ 1), 0, 1, at)
    }
    closeSync(file)
  },
  'is cut': (path) => {
    truncateSync(path, Math.floor(statSync(path).size / 2))
  },
  'is gone': (path) => {
    rmSync(path)
  },
}

function damageAll(damage: (path: string) => void): void {
  const folder = join(sessionDir(), 'spill')
  const names = readdirSync(folder)
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) damage(join(folder, name))
}

/** `whole`, or the name of the error; anything else fails the test. */
async function fateOf(reading: Promise<Uint8Array>, wanted: Uint8Array): Promise<string> {
  try {
    expect(Buffer.compare(await reading, wanted)).toBe(0)
    return 'whole'
  } catch (error) {
    expect(error).toBeInstanceOf(ObjectCorruptedError)
    return 'ObjectCorruptedError'
  }
}

const filled = (i: number): Uint8Array => new Uint8Array(MIB).fill(i)

describe.each(Object.entries(DAMAGES))('a spill file that %s', (_, damage) => {
  afterEach(shutdown)

  it('gives no wrong bytes to a driver or a task, and the cluster goes on', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 4 * MIB })
    const refs: ObjectRef<Uint8Array>[] = []
    for (let i = 0; i < 16; i += 1) refs.push(await put(filled(i)))
    damageAll(damage)
    const fates: string[] = []
    for (const [i, ref] of refs.entries()) {
      const reading = i % 2 === 0 ? get(ref) : (echo.run(ref) as Promise<Uint8Array>)
      fates.push(await fateOf(reading, filled(i)))
    }
    expect(fates.filter((fate) => fate !== 'whole').length).toBeGreaterThan(4)
    expect(fates.at(-1)).toBe('whole') // it had not left the memory
    for (const ref of refs) ref.free()
    const again: ObjectRef<Uint8Array>[] = []
    for (let i = 0; i < 8; i += 1) again.push(await put(filled(i)))
    for (const [i, ref] of again.entries()) {
      expect(await fateOf(get(ref), filled(i))).toBe('whole')
    }
  })

  it('costs a result of a task no more than a second run', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 4 * MIB })
    const refs = Array.from({ length: 12 }, (_, i) => filledBytes.remote(MIB, i))
    const large = filledBytes.remote(20 * MIB, 9)
    await wait([...refs, large], { numReturns: refs.length + 1 })
    await until(() => readdirSync(join(sessionDir(), 'spill')).length > 0)
    damageAll(damage)
    for (const [i, ref] of refs.entries()) {
      const reading = i % 2 === 0 ? get(ref) : (echo.run(ref) as Promise<Uint8Array>)
      expect(Buffer.compare(await reading, filled(i))).toBe(0)
    }
    expect((await get(large)).every((byte) => byte === 9)).toBe(true)
  })

  it('gives none of an object that is larger than the store', async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 8 * MIB })
    const large = new Uint8Array(20 * MIB).fill(7)
    const ref = await put(large)
    damageAll(damage)
    expect(await fateOf(get(ref), large)).toBe('ObjectCorruptedError')
    expect(await fateOf(echo.run(ref) as Promise<Uint8Array>, large)).toBe('ObjectCorruptedError')
  })
})
