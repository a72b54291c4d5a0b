// A get of many stored objects: how many reads are under way at a time, and in what order they end.
import { beforeEach, describe, expect, it } from 'vitest'
import { READS_AT_ONCE_MAX } from '../../../runtime/common/limits.ts'
import { Getter, type GetterDeps } from '../../../runtime/core-worker/get.ts'
import { BLOB, STORED, type ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import type { ObjectRef } from '../../../runtime/core-worker/object-ref.ts'
import { ownBlob, type StoredBlob } from '../../../runtime/core-worker/stored-blob.ts'
import { HandClock } from '../../support/hand-clock.ts'

const BROKEN = 99

let reads: (PromiseWithResolvers<StoredBlob> & { readonly number: number })[]
let decoded: number[]
let getter: Getter

beforeEach(() => {
  reads = []
  decoded = []
  const deps = {
    clock: new HandClock(),
    codec: {
      decode: ([number = -1]: Uint8Array) => {
        if (number === BROKEN) throw new SyntaxError('it cannot be decoded')
        decoded.push(number)
        return number
      },
    },
    store: {
      read: ({ sizeBytes: number }: { sizeBytes: number }) => {
        const read = { ...Promise.withResolvers<StoredBlob>(), number }
        reads.push(read)
        return read.promise
      },
    },
    entryOf: (ref: ObjectRef) => ref,
    use: () => undefined,
    lost: () => false,
    local: {},
    present: (error: unknown) => error,
  }
  getter = new Getter(deps as unknown as GetterDeps)
})

const stored = (number: number): ObjectEntry =>
  ({ pending: false, state: STORED, value: { sizeBytes: number } }) as unknown as ObjectEntry
const inline = (number: number): ObjectEntry =>
  ({ pending: false, state: BLOB, value: Uint8Array.of(number) }) as unknown as ObjectEntry
const getMany = (entries: readonly ObjectEntry[]): Promise<unknown[]> =>
  getter.getMany(entries as unknown as ObjectRef[])
const come = (number: number): void => {
  reads.find((read) => read.number === number)?.resolve(ownBlob(Uint8Array.of(number)))
}
const turn = (): Promise<void> => new Promise(setImmediate)

describe('a get of stored objects', () => {
  it('GE4 reads them side by side, and gives them in order', async () => {
    const got = getMany([stored(0), inline(1), stored(2), stored(3)])
    await turn()
    expect(reads.map(({ number }) => number)).toEqual([0, 2, 3])
    for (const number of [3, 0, 2]) {
      come(number)
      await turn()
    }
    expect(await got).toEqual([0, 1, 2, 3])
    expect(decoded).toEqual([1, 3, 0, 2])
  })

  it('GE4 has so many reads under way, and begins the next as the first ends', async () => {
    const got = getMany(Array.from({ length: READS_AT_ONCE_MAX + 2 }, (_none, at) => stored(at)))
    await turn()
    expect(reads.length).toBe(READS_AT_ONCE_MAX)
    come(0)
    await turn()
    expect(reads.length).toBe(READS_AT_ONCE_MAX + 1)
    for (let at = 1; at < READS_AT_ONCE_MAX + 2; at += 1) {
      come(at)
      await turn()
    }
    expect((await got).length).toBe(READS_AT_ONCE_MAX + 2)
  })

  it('GE2 throws the first that fails in order, and no other failure is left unhandled', async () => {
    const got = getMany([stored(0), stored(1), stored(2)]).catch((error: unknown) => error)
    reads[2]?.reject(new RangeError('third'))
    await turn()
    reads[1]?.reject(new RangeError('second'))
    come(0)
    expect(await got).toEqual(new RangeError('second'))
  })

  it('GE2 nor is what cannot be decoded told before a failure of those before it', async () => {
    const got = getMany([stored(0), inline(BROKEN)]).catch((error: unknown) => error)
    await turn()
    reads[0]?.reject(new RangeError('first'))
    expect(await got).toEqual(new RangeError('first'))
    expect(await getMany([inline(BROKEN)]).catch(String)).toContain('cannot be decoded')
  })
})
