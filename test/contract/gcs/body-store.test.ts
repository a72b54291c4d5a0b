// Every body store keeps one contract: in memory, as files, in S3.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { FileBodyStore } from '../../../runtime/gcs/body-store-file.ts'
import { MemoryBodyStore } from '../../../runtime/gcs/body-store-memory.ts'
import type { BodyStore } from '../../../runtime/gcs/body-store.ts'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { WITH_S3, describeOn, startCloud } from '../../support/emulator.ts'

let prefixes = 0

function bodyStoreContract(name: string, make: () => BodyStore): void {
  describe(name, () => {
    let store: BodyStore
    let prefix = ''
    beforeEach(() => {
      store = make()
      prefix = `t${String(prefixes++)}/`
    })
    const bytes = (size: number, seed = 1): Uint8Array =>
      Uint8Array.from({ length: size }, (_, index) => (index * seed) % 256)

    test('a body is read as it was put; one that is not there is undefined', async () => {
      await store.put(`${prefix}a`, bytes(300_000))
      expect(Buffer.from((await store.get(`${prefix}a`)) ?? [])).toEqual(
        Buffer.from(bytes(300_000)),
      )
      await store.put(`${prefix}empty`, bytes(0))
      expect((await store.get(`${prefix}empty`))?.byteLength).toBe(0)
      expect(await store.get(`${prefix}b`)).toBeUndefined()
    })

    test('put and delete may be repeated', async () => {
      for (let repeat = 0; repeat < 2; repeat++) await store.put(`${prefix}a`, bytes(10))
      for (let repeat = 0; repeat < 2; repeat++) await store.delete(`${prefix}a`)
      expect(await store.get(`${prefix}a`)).toBeUndefined()
    })

    test('keys of any text are kept apart: slashes, dots, long ones', async () => {
      const keys = ['a', 'a/b', 'a%2Fb', '..%2Fx', 'a+', 'a=', 'é', 'x'.repeat(700)]
      const names = keys.map((key) => prefix + key)
      for (const [index, key] of names.entries()) await store.put(key, bytes(5, index + 2))
      for (const [index, key] of names.entries()) {
        expect(Buffer.from((await store.get(key)) ?? [])).toEqual(Buffer.from(bytes(5, index + 2)))
      }
      const listed = await store.list(prefix, { limit: 100 })
      expect(new Set(listed.map(({ key }) => key))).toEqual(new Set(names))
    })

    test('list is in the order of keys, by prefix, page by page, with size and age', async () => {
      for (const key of ['c', 'a', 'b']) await store.put(prefix + key, bytes(7))
      const keys = async (after: string, limit: number): Promise<string[]> =>
        (await store.list(prefix, { after, limit })).map(({ key }) => key.slice(prefix.length))
      expect(await keys('', 2)).toEqual(['a', 'b'])
      expect(await keys(`${prefix}b`, 2)).toEqual(['c'])
      const [first] = await store.list(prefix, { limit: 1 })
      expect(first?.sizeBytes).toBe(7)
      expect(Math.abs(first?.ageMs ?? Infinity)).toBeLessThan(60_000)
      expect(await store.list(`${prefix}none/`, { limit: 5 })).toEqual([])
    })
  })
}

bodyStoreContract('bodies in memory', () => new MemoryBodyStore(systemClock))

describe('as files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'virga-bodies-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  bodyStoreContract('bodies as files', () => new FileBodyStore(join(folder, 'bodies')))

  test('no part of a write is left behind, nor anything outside of the folder', () => {
    expect(readdirSync(folder)).toEqual(['bodies'])
    const names = readdirSync(folder, { recursive: true }).map(String)
    expect(names.filter((name) => name.includes('.part-'))).toEqual([])
  })
})

for (const engine of WITH_S3) {
  const cloud = await startCloud(engine)
  describeOn(cloud, `in S3 of ${engine}`, (cloud) => {
    const { bodies } = makeStorage(cloud)
    afterAll(() => cloud.stop())
    bodyStoreContract('bodies in S3', () => bodies)
  })
}
