// Where large objects lie: told to the GCS, and read back from the bucket.
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { CapacityError, ObjectCorruptedError } from '../../../runtime/common/errors.ts'
import { toHex, type ObjectId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import type { Consumed } from '../../../runtime/gcs/meter.ts'
import { findLocations, tellLocations } from '../../../runtime/gcs/object-locations.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { DirectPlace } from '../../../runtime/objects/arena-access.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import type { SpillRange, SpillSource } from '../../../runtime/objects/spill.ts'
import { ClusterPlaces } from '../../../runtime/raylet/cluster/cluster-places.ts'
import type { JobStore } from '../../../runtime/raylet/job-store.ts'
import type { SharedBucket } from '../../../runtime/raylet/node-store.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { meteredStorage } from '../../support/metered-storage.ts'
import { caught } from '../../support/waiting.ts'

const MIB = 1024 * 1024
const id = (name: string): ObjectId => name.padEnd(20, '.') as ObjectId
const range: SpillRange = { path: 's3://b/7', offset: 4, sizeBytes: 3, checksum: 9 }

/**
 * A store and a bucket of maps: objects of three bytes.
 * @param gone  paths that cannot be read.
 * @param away  a path that cannot be reached.
 */
function made({ gone = [], away }: { gone?: readonly string[]; away?: string } = {}) {
  const clock = new HandClock()
  const bytes = new Map<string, Uint8Array>()
  let inBucket: Uint8Array | undefined
  let units = 0
  const meter = { record: ({ writeUnits }: Consumed) => void (units += writeUnits) }
  const storage = meteredStorage(new MemoryStorage(), meter)
  const bucket: SharedBucket = {
    holds: (path) => path.startsWith('s3://'),
    read: async ({ path }, sink) => {
      if (path === away) throw new CapacityError('the bucket does not answer')
      const found = gone.includes(path) ? undefined : inBucket
      if (found === undefined) throw new ObjectCorruptedError('it is gone')
      await sink(0, found)
    },
    keep: async (_job, source: SpillSource) => {
      inBucket = Uint8Array.from(await source.read(0, source.sizeBytes))
      return range
    },
    forget: () => Promise.resolve(),
  }
  const store = {
    sizeOf: (objectId: string) => bytes.get(objectId)?.length,
    create: (_client: string, objectId: string, size: number) => {
      bytes.set(objectId, new Uint8Array(size))
      return Promise.resolve({ offset: 0, sizeBytes: size, objectId })
    },
    placeOfPart: (place: { objectId: string }) => ({ bytes: bytes.get(place.objectId) }),
    seal: () => Promise.resolve(),
    abort: (objectId: string) => bytes.delete(objectId),
    pin: (_client: string, objectId: string) =>
      Promise.resolve({ offset: 0, sizeBytes: 3, objectId }),
    unpin: () => undefined,
    partOf: (place: { objectId: string }) => Promise.resolve(bytes.get(place.objectId)),
  }
  const objects = { store, opened: { store, bucket } } as unknown as JobStore
  const own = { nodeId: 'ab', epoch: 1, inBucket: () => undefined }
  const places = new ClusterPlaces({ storage, clock, log: silentLog, objects, ...own })
  const told = (name: string) => findLocations(storage, toHex(id(name)))
  return { clock, places, bytes, told, units: () => units, lose: () => (inBucket = undefined) }
}

test('OQ1: a spilled one costs a unit; what is freed within a second costs none', async () => {
  const { clock, places, bytes, told, units } = made()
  for (const name of ['a', 'b', 'c']) bytes.set(id(name), new Uint8Array(3))
  places.spilled(id('a'), range)
  places.spilled(id('b'), range)
  places.spilled(id('c'), { ...range, path: '/disk/7' }) // nobody else reads there
  bytes.delete(id('b'))
  await clock.advance(1000)
  const { path, offset, checksum, sizeBytes } = range
  const spill = { path, offset, checksum }
  expect(await told('a')).toMatchObject([{ nodeId: 'ab', epoch: 1, sizeBytes, spill }])
  expect(await told('b')).toEqual([])
  expect(await told('c')).toEqual([])
  expect(units()).toBe(1)
})

test('what was kept comes back into the store, whoever asks; lost bytes are told once', async () => {
  const { places, bytes, lose } = made()
  bytes.set(id('a'), Uint8Array.of(1, 2, 3))
  await places.keep(id('a'))
  bytes.clear()
  expect(await places.kept([id('a'), id('b')], [])).toEqual([id('a')])
  await places.restore(id('a'))
  expect(bytes.get(id('a'))).toEqual(Uint8Array.of(1, 2, 3))
  bytes.clear()
  lose()
  await caught(places.restore(id('a')), ObjectCorruptedError)
  expect(bytes.size).toBe(0)
  expect(await places.kept([id('a')], [])).toEqual([]) // OQ2
})

test('F42: what was spilled from a larger store comes into a file where the arena is too small', async () => {
  const value = Uint8Array.from({ length: 3 * MIB }, (_, i) => i % 251)
  const spill = new MemorySpill({ capacityBytes: 64 * MIB })
  const sizeBytes = 2 * MIB
  const arena = new MemoryArena({ sizeBytes })
  const store = new ObjectStore({ arena, spill, clock: systemClock, log: silentLog }, { sizeBytes })
  const bucket: Pick<SharedBucket, 'read'> = {
    read: async (_range, sink) => {
      for (let at = 0; at < value.length; at += MIB) await sink(at, value.subarray(at, at + MIB))
    },
  }
  const storage = new MemoryStorage()
  const own = { nodeId: 'ab', epoch: 1 }
  const where = { path: range.path, offset: 4 * MIB, checksum: 9 }
  const row = {
    ...own,
    objectId: toHex(id('a')),
    sizeBytes: value.length,
    spill: where,
    isKept: false,
  }
  await tellLocations(storage, [row], 0)
  const objects = { store, opened: { store, bucket } } as unknown as JobStore
  const clock = new HandClock()
  const inBucket = (): void => undefined
  await new ClusterPlaces({ storage, clock, log: silentLog, objects, ...own, inBucket }).restore(
    id('a'),
  )
  const place = await store.pin('reader', id('a'))
  const read = await spill.direct.read(place as DirectPlace)
  expect(Buffer.compare(read, value)).toBe(0)
  await store.close()
})

test('OS1: what is kept is found, though its node has spilled it since and has freed that', async () => {
  const { clock, places, bytes } = made({ gone: ['s3://b/spilled'] })
  const value = Uint8Array.of(1, 2, 3)
  bytes.set(id('a'), value)
  await places.keep(id('a'))
  places.spilled(id('a'), { ...range, path: 's3://b/spilled' })
  await clock.advance(1000)
  bytes.clear()
  await places.restore(id('a'))
  expect(bytes.get(id('a'))).toEqual(value)
})

test('a copy that was spilled is read where the one that is kept is damaged', async () => {
  const { clock, places, bytes } = made({ gone: [range.path] })
  bytes.set(id('a'), Uint8Array.of(1, 2, 3))
  await places.keep(id('a'))
  places.spilled(id('a'), { ...range, path: 's3://b/spilled' })
  await clock.advance(1000)
  bytes.clear()
  await places.restore(id('a'))
  expect(bytes.get(id('a'))).toEqual(Uint8Array.of(1, 2, 3))
})

test('OQ2: what somebody could not read is tried before it is said to be there', async () => {
  const away = 's3://b/away'
  const { clock, places, bytes } = made({ gone: ['s3://b/gone'], away })
  const paths = { a: 's3://b/gone', b: away, c: 's3://b/there', d: 's3://b/gone' }
  const ids = Object.keys(paths).map(id)
  for (const [name, path] of Object.entries(paths)) {
    bytes.set(id(name), Uint8Array.of(1, 2, 3))
    if (name === 'c') await places.keep(id(name))
    places.spilled(id(name), { ...range, path, offset: ids.indexOf(id(name)) })
  }
  await clock.advance(1000)
  expect((await places.kept(ids, [])).toSorted()).toEqual(ids)
  const [gone, ...others] = ids as [ObjectId, ...ObjectId[]]
  expect((await places.kept(ids, [gone, id('b'), id('c')])).toSorted()).toEqual(others)
  expect((await places.kept(ids, [])).toSorted()).toEqual(others) // it is known now
})
