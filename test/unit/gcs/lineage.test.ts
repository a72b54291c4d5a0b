// Lineage: segments pack and give back what was put in; the writer groups, drops, retries, bounds.
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DecodeError,
  DecompressLimitError,
  GcsUnavailableError,
  ObjectNotFoundError,
  ObjectTooLargeError,
  StoppedError,
  UsageError,
} from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import {
  SEGMENT_BYTES_MAX,
  SPEC_BYTES_MAX,
  findSpec,
  packSegment,
  packedBytes,
  type TaskSpec,
} from '../../../runtime/gcs/lineage-segment.ts'
import {
  COMMIT_EVERY_MS,
  DURABLE_COMMIT_MS,
  LineageWriter,
  readSpec,
} from '../../../runtime/gcs/lineage.ts'
import type { Consumed } from '../../../runtime/gcs/meter.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { meteredStorage } from '../../support/metered-storage.ts'
import { caught } from '../../support/waiting.ts'

const spec = (sequence: number, owner = 'aa', sizeBytes = 10): TaskSpec => ({
  owner,
  sequence,
  bytes: new Uint8Array(sizeBytes).fill(sequence % 251),
})

describe('a segment', () => {
  test('gives back every spec that is in it, byte for byte, and no other', () => {
    const specs = fc.uniqueArray(
      fc.record({
        owner: fc.constantFrom('aa', 'bb', 'cc'),
        sequence: fc.integer({ min: 0, max: 50 }),
        bytes: fc.uint8Array({ maxLength: 20 }),
      }),
      { selector: ({ owner, sequence }) => `${owner}${String(sequence)}`, maxLength: 40 },
    )
    fc.assert(
      fc.property(specs, (given) => {
        const segment = packSegment(given)
        for (const { owner, sequence, bytes } of given) {
          expect(Uint8Array.from(findSpec(segment, owner, sequence) ?? [])).toEqual(bytes)
        }
        expect(findSpec(segment, 'aa', 51)).toBeUndefined()
        expect(findSpec(segment, 'dd', 0)).toBeUndefined()
      }),
    )
  })

  test('has an index of runs: a thousand in a row are one entry', () => {
    const specs = Array.from({ length: 1000 }, (_, index) => spec(index))
    expect(packSegment(specs).index).toEqual([{ owner: 'aa', runs: [0, 999] }])
  })

  test('B10: a bomb or rubbish is refused, typed', () => {
    const index = [{ owner: 'aa', runs: [0, 0] }]
    const bomb = deflateRawSync(Buffer.alloc(65 * 1024 * 1024), { level: 9 })
    expect(() => findSpec({ index, packed: bomb }, 'aa', 0)).toThrow(DecompressLimitError)
    const rubbish = Uint8Array.from([255, 1, 2, 3])
    expect(() => findSpec({ index, packed: rubbish }, 'aa', 0)).toThrow(DecodeError)
    const short = deflateRawSync(Buffer.from([9, 0, 0, 0, 1]))
    expect(() => findSpec({ index, packed: short }, 'aa', 0)).toThrow(DecodeError)
  })
})

describe('the writer', () => {
  function made(options: { storage?: Storage } = {}) {
    const clock = new HandClock()
    const { storage = new MemoryStorage() } = options
    const writer = new LineageWriter({ storage, clock, log: silentLog }, { nodeId: 'ab', epoch: 3 })
    return { clock, storage, writer }
  }

  test('writes what is left after a second as one row, found by one read', async () => {
    const { clock, storage, writer } = made()
    for (let sequence = 0; sequence < 100; sequence++) writer.add(spec(sequence))
    const place = writer.committed('aa', 7)
    await clock.advance(COMMIT_EVERY_MS)
    expect(await place).toEqual({ nodeId: 'ab', epoch: 3, segment: 0 })
    const bytes = await readSpec(storage, await place, spec(7))
    expect(Uint8Array.from(bytes ?? [])).toEqual(spec(7).bytes)
    expect(await storage.query('lineage', 'ab#3')).toHaveLength(1)
  })

  test('specs whose refs are gone before that cost nothing', async () => {
    const { clock, storage, writer } = made()
    for (let sequence = 0; sequence < 100; sequence++) writer.add(spec(sequence))
    for (let sequence = 0; sequence < 100; sequence++) writer.drop('aa', sequence)
    await clock.advance(5 * COMMIT_EVERY_MS)
    expect(await storage.query('lineage', 'ab#3')).toEqual([])
  })

  test('a spec that somebody waits for is written, dropped or not', async () => {
    const { clock, writer } = made()
    writer.add(spec(1))
    const place = writer.committed('aa', 1)
    writer.drop('aa', 1)
    await clock.advance(COMMIT_EVERY_MS)
    expect(await place).toMatchObject({ segment: 0 })
  })

  test('who does not need a spec that is dropped hears that it will not be written', async () => {
    const { clock, storage, writer } = made()
    writer.add(spec(1))
    writer.add(spec(2))
    const [first, second] = [writer.settled('aa', 1), writer.settled('aa', 2)]
    writer.drop('aa', 1)
    expect(await first).toBe(undefined)
    await clock.advance(COMMIT_EVERY_MS)
    expect(await second).toMatchObject({ segment: 0 })
    expect((await storage.query('lineage', 'ab#3'))[0]?.value['index']).toEqual([
      { owner: 'aa', runs: [2, 2] },
    ])
  })

  test('a durable spec waits for 20 ms, and takes along what may wait for a second', async () => {
    const { clock, storage, writer } = made()
    writer.add(spec(1))
    await clock.advance(COMMIT_EVERY_MS / 2)
    writer.add(spec(2), DURABLE_COMMIT_MS)
    await clock.advance(DURABLE_COMMIT_MS)
    expect((await storage.query('lineage', 'ab#3'))[0]?.value['index']).toEqual([
      { owner: 'aa', runs: [1, 2] },
    ])
  })

  test('a MiB is written at once; later segments follow in order', async () => {
    const { clock, storage, writer } = made()
    const size = SEGMENT_BYTES_MAX / 4
    for (let sequence = 0; sequence < 6; sequence++) writer.add(spec(sequence, 'aa', size))
    await clock.advance(0)
    expect(await storage.query('lineage', 'ab#3')).toHaveLength(1)
    await clock.advance(COMMIT_EVERY_MS)
    const rows = await storage.query('lineage', 'ab#3')
    expect(rows.map((row) => row.value['index'])).toEqual([
      [{ owner: 'aa', runs: [0, 3] }],
      [{ owner: 'aa', runs: [4, 5] }],
    ])
  })

  test('LI1, LI3: in an outage it keeps what it has, says when it is full, and catches up', async () => {
    const memory = new MemoryStorage()
    let away = true
    const storage = changedStorage(memory, {
      append: (rows) =>
        away ? Promise.reject(new GcsUnavailableError('away')) : memory.append(rows),
    })
    const { clock, writer } = made({ storage })
    let sequence = 0
    while (writer.hasRoom) {
      writer.add(spec(sequence++, 'aa', SEGMENT_BYTES_MAX))
      await clock.advance(100)
    }
    expect(sequence).toBe(64)
    const place = writer.committed('aa', 63)
    let hasRoom = false
    void writer.room().then(() => (hasRoom = true))
    await clock.advance(COMMIT_EVERY_MS)
    expect(hasRoom).toBe(false)
    away = false
    await clock.advance(10 * COMMIT_EVERY_MS)
    expect(hasRoom).toBe(true)
    expect(await place).toMatchObject({ segment: 63 })
    expect(await memory.query('lineage', 'ab#3')).toHaveLength(64)
    for (const at of [0, 1, 63]) {
      const bytes = await readSpec(memory, { ...(await place), segment: at }, spec(at))
      expect(bytes?.byteLength).toBe(SEGMENT_BYTES_MAX)
    }
  })

  test('the largest spec is found again beside a segment that was almost full', async () => {
    const { clock, storage, writer } = made()
    const largest = SPEC_BYTES_MAX - packedBytes(spec(0, 'aa', 0))
    writer.add(spec(0, 'aa', SEGMENT_BYTES_MAX - 100))
    writer.add(spec(1, 'aa', largest))
    const place = writer.committed('aa', 1)
    await clock.advance(COMMIT_EVERY_MS)
    expect(await place).toMatchObject({ segment: 0 })
    expect((await readSpec(storage, await place, spec(1)))?.byteLength).toBe(largest)
    expect(() => writer.add(spec(2, 'aa', largest + 1))).toThrow(ObjectTooLargeError)
  })

  test('a spec that is written already is committed at once, until it is dropped', async () => {
    const { clock, writer } = made()
    writer.add(spec(1))
    await clock.advance(COMMIT_EVERY_MS)
    expect(await writer.committed('aa', 1)).toMatchObject({ segment: 0 })
    writer.drop('aa', 1)
    for (const sequence of [1, 2]) {
      const error = await caught(writer.committed('aa', sequence), ObjectNotFoundError)
      expect(error.message).toContain(`task ${String(sequence)} of aa`)
    }
  })

  test('a segment that is refused fails who waits for it; the next one is written', async () => {
    const memory = new MemoryStorage()
    let refusals = 1
    const storage = changedStorage(memory, {
      append: (rows) =>
        refusals-- > 0 ? Promise.reject(new UsageError('no right')) : memory.append(rows),
    })
    const { clock, writer } = made({ storage })
    writer.add(spec(1))
    const refused = caught(writer.committed('aa', 1), UsageError)
    await clock.advance(COMMIT_EVERY_MS)
    expect((await refused).message).toBe('no right')
    writer.add(spec(2))
    const place = writer.committed('aa', 2)
    await clock.advance(COMMIT_EVERY_MS)
    expect(await place).toMatchObject({ segment: 1 })
  })

  test('when it is stopped in an outage nothing is repeated, and who waits is told', async () => {
    let tries = 0
    const storage = changedStorage(new MemoryStorage(), {
      append: () => {
        tries += 1
        return Promise.reject(new GcsUnavailableError('away'))
      },
    })
    const { clock, writer } = made({ storage })
    writer.add(spec(1))
    const waiting = caught(writer.committed('aa', 1), StoppedError)
    await clock.advance(COMMIT_EVERY_MS)
    writer.add(spec(2))
    writer.stop()
    await waiting
    await caught(writer.committed('aa', 2), StoppedError)
    await clock.advance(60 * COMMIT_EVERY_MS)
    expect(tries).toBe(1)
  })

  test('a million tiny tasks of one driver cost at most a thousand write units', async () => {
    let units = 0
    const meter = { record: ({ writeUnits }: Consumed) => void (units += writeUnits) }
    const { clock, writer } = made({ storage: meteredStorage(new MemoryStorage(), meter) })
    const [tasks, perSecond, alive] = [50_000, 10_000, 0.02]
    for (let sequence = 0; sequence < tasks; sequence++) {
      writer.add(spec(sequence, 'aa', 100))
      if (sequence % (1 / alive) !== 0) writer.drop('aa', sequence)
      if (sequence % perSecond === perSecond - 1) await clock.advance(1000)
    }
    await clock.advance(2000)
    expect(units).toBeGreaterThan(0)
    expect((units / tasks) * 1_000_000).toBeLessThanOrEqual(1000)
  })
})
