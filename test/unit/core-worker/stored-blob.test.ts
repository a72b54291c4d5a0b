// What decoding a stored value maps, and how long it keeps the object in its place.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { arenaBlob, decodeStored } from '../../../runtime/core-worker/stored-blob.ts'
import type { Arena } from '../../../runtime/objects/arena-access.ts'
import {
  createShmArena,
  openShmArena,
  type ShmArenaClient,
} from '../../../runtime/objects/arena-shm.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'

const MIB = 1024 * 1024
const codec = new ValueCodec()

describe('a stored value', () => {
  let arena: Arena
  let client: ShmArenaClient
  /** Of this test: what others have mapped may be collected meanwhile. */
  let released: { count: number }

  beforeEach(async () => {
    released = { count: 0 }
    arena = createShmArena({ sizeBytes: 16 * MIB })
    await arena.grow(8 * MIB)
    const deps = { clock: systemClock, finalization: systemFinalization }
    client = openShmArena(arena.path, arena.sizeBytes, deps)
  })

  afterEach(async () => {
    client.close()
    await arena.close()
  })

  const stored = (value: unknown): { offset: number; sizeBytes: number } => {
    const encoded = codec.encode(value, 'value')
    encoded.writeTo(client.writable(MIB, encoded.sizeBytes))
    return { offset: MIB, sizeBytes: encoded.sizeBytes }
  }
  const read = (place: ReturnType<typeof stored>, copy = false): unknown => {
    const counter = released
    const blob = arenaBlob(client, place, () => (counter.count += 1))
    return decodeStored(codec, blob, { copy })
  }

  it('of small arrays is read where it lies, and let go at once', () => {
    const value = Array.from({ length: 5 }, () => new Float64Array(4000).fill(7))
    expect(read(stored(value))).toEqual(value)
    expect(client.mapped.count).toBe(0)
    expect(released.count).toBe(1)
  })

  it('of large arrays is mapped, once, and kept', () => {
    const value = Array.from({ length: 3 }, () => new Float64Array(20_000).fill(7))
    const place = stored(value)
    const mine = read(place) as Float64Array[]
    expect(mine).toEqual(value)
    expect(client.mapped.count).toBe(1)
    expect(released.count).toBe(0)
    mine[0]?.fill(8)
    expect(read(place)).toEqual(value)
  })

  it('of an array that may grow is read where it lies: it is copied anyway', () => {
    const bytes = 8 * 20_000
    const value = new Float64Array(new ArrayBuffer(bytes, { maxByteLength: 2 * bytes })).fill(7)
    expect(read(stored(value))).toEqual(value)
    expect(client.mapped.count).toBe(0)
    expect(released.count).toBe(1)
  })

  it('of much else is mapped while it is decoded: its pages are not to stay in this process', () => {
    const value = Array.from({ length: 20_000 }, (_, i) => `text ${String(i)}`)
    expect(read(stored(value))).toEqual(value)
    expect(client.mapped.count).toBe(1)
  })

  it('is copied on request', () => {
    const value = new Float64Array(20_000).fill(7)
    const copy = read(stored(value), true) as Float64Array
    expect(copy).toEqual(value)
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer)
  })

  it('that cannot be decoded is let go', () => {
    const place = stored(['a', 'b'])
    client.writable(MIB, 1)[0] = 0xff
    expect(() => read(place)).toThrow('unknown flags')
    expect(released.count).toBe(1)
  })
})
