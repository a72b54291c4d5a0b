// What every Storage keeps: S1 to S4 of runtime/gcs/storage.ts. Each implementation runs it whole;
// nothing in it may be skipped.
import { beforeEach, describe, expect, test } from 'vitest'
import type { RowKey, Storage } from '../../../runtime/gcs/storage.ts'
import { TRANSACT_ITEMS_MAX } from '../../../runtime/gcs/storage.ts'

export function storageContract(name: string, make: () => Promise<Storage> | Storage): void {
  describe(`${name} keeps the contract of Storage`, () => {
    let storage: Storage
    beforeEach(async () => {
      storage = await make()
    })

    test('S1: a row is read as it was written, its version is 1', async () => {
      expect(await storage.putIf(key('a'), { text: 'x', list: [1, 2] }, 'ABSENT')).toEqual({
        won: true,
        version: 1,
      })
      expect(await storage.get(key('a'))).toEqual({
        key: key('a'),
        version: 1,
        value: { text: 'x', list: [1, 2] },
      })
    })

    test('a row that is not there is undefined', async () => {
      expect(await storage.get(key('nothing'))).toBeUndefined()
    })

    test('S2: of two that create a row, one wins and the other gets what stands there', async () => {
      const outcomes = await Promise.all([
        storage.putIf(key('a'), { who: 'first' }, 'ABSENT'),
        storage.putIf(key('a'), { who: 'second' }, 'ABSENT'),
      ])
      const winners = outcomes.filter((outcome) => outcome.won)
      expect(winners).toHaveLength(1)
      const lost = outcomes.find((outcome) => !outcome.won)
      expect(lost).toMatchObject({ current: { value: (await storage.get(key('a')))?.value } })
    })

    test('S2: of many writers with one version, one wins', async () => {
      await storage.putIf(key('a'), { count: 0 }, 'ABSENT')
      const writers = Array.from({ length: 20 }, (_, index) =>
        storage.putIf(key('a'), { index }, 1),
      )
      expect((await Promise.all(writers)).filter((outcome) => outcome.won)).toHaveLength(1)
      expect((await storage.get(key('a')))?.version).toBe(2)
    })

    test('S2: a stale version loses and changes nothing', async () => {
      await storage.putIf(key('a'), { n: 1 }, 'ABSENT')
      await storage.putIf(key('a'), { n: 2 }, 1)
      expect(await storage.putIf(key('a'), { n: 3 }, 1)).toMatchObject({
        won: false,
        current: { version: 2 },
      })
      expect((await storage.get(key('a')))?.value).toEqual({ n: 2 })
    })

    test('a number expects a row: one that is absent loses without a current one', async () => {
      expect(await storage.putIf(key('a'), {}, 1)).toEqual({ won: false, current: undefined })
    })

    test('update sets the fields given and keeps the others', async () => {
      await storage.putIf(key('a'), { kept: 1, changed: 1 }, 'ABSENT')
      expect(await storage.update(key('a'), { changed: 2, added: 3 }, 1)).toEqual({
        won: true,
        version: 2,
      })
      expect((await storage.get(key('a')))?.value).toEqual({ kept: 1, changed: 2, added: 3 })
      expect(await storage.update(key('a'), { changed: 9 }, 1)).toMatchObject({ won: false })
    })

    test('delete needs the version, and a row made again starts at 1', async () => {
      await storage.putIf(key('a'), {}, 'ABSENT')
      expect(await storage.delete(key('a'), 7)).toMatchObject({
        won: false,
        current: { version: 1 },
      })
      expect(await storage.delete(key('a'), 1)).toMatchObject({ won: true })
      expect(await storage.get(key('a'))).toBeUndefined()
      expect(await storage.delete(key('a'), 1)).toEqual({ won: false, current: undefined })
      expect(await storage.putIf(key('a'), {}, 'ABSENT')).toEqual({ won: true, version: 1 })
    })

    test('query gives one pk in the order of sk, by prefix, page by page', async () => {
      const names = ['C#3', 'A#2', 'A#10', 'B#1', 'A#1']
      for (const sk of names) await storage.putIf(key(sk), { sk }, 'ABSENT')
      await storage.putIf({ ...key('A#9'), pk: 'other' }, {}, 'ABSENT')
      await storage.putIf({ ...key('A#9'), table: 'lineage' }, {}, 'ABSENT')
      const keysOf = async (options: Parameters<Storage['query']>[2]): Promise<string[]> =>
        (await storage.query('cluster', 'pk', options)).map((row) => row.key.sk)
      expect(await keysOf({})).toEqual(['A#1', 'A#10', 'A#2', 'B#1', 'C#3'])
      expect(await keysOf({ prefix: 'A#' })).toEqual(['A#1', 'A#10', 'A#2'])
      expect(await keysOf({ prefix: 'A#', limit: 2 })).toEqual(['A#1', 'A#10'])
      expect(await keysOf({ prefix: 'A#', after: 'A#10' })).toEqual(['A#2'])
      expect(await keysOf({ prefix: 'Z' })).toEqual([])
    })

    test('append writes whatever stood there, and may be repeated', async () => {
      await storage.putIf(key('a'), { n: 1 }, 'ABSENT')
      const rows = [
        { key: key('a'), value: { n: 2 } },
        { key: key('b'), value: { n: 3 } },
      ]
      await storage.append(rows)
      await storage.append(rows)
      expect((await storage.get(key('a')))?.value).toEqual({ n: 2 })
      expect((await storage.get(key('b')))?.value).toEqual({ n: 3 })
    })

    test('append raises the version, so that who read the row before loses', async () => {
      await storage.putIf(key('a'), { n: 1 }, 'ABSENT')
      await storage.append([{ key: key('a'), value: { n: 2 } }])
      expect(await storage.putIf(key('a'), { n: 3 }, 1)).toMatchObject({ won: false })
    })

    test('S3: a transaction is applied whole', async () => {
      await storage.putIf(key('old'), {}, 'ABSENT')
      const applied = await storage.transact([
        { kind: 'putIf', key: key('actor'), value: { n: 1 }, expected: 'ABSENT' },
        { kind: 'putIf', key: key('name'), value: { n: 1 }, expected: 'ABSENT' },
        { kind: 'delete', key: key('old'), expected: 1 },
      ])
      expect(applied).toBe(true)
      expect(await storage.get(key('name'))).toBeDefined()
      expect(await storage.get(key('old'))).toBeUndefined()
    })

    test('S3: or not at all, when one condition fails', async () => {
      await storage.putIf(key('name'), { who: 'other' }, 'ABSENT')
      const applied = await storage.transact([
        { kind: 'putIf', key: key('actor'), value: {}, expected: 'ABSENT' },
        { kind: 'putIf', key: key('name'), value: {}, expected: 'ABSENT' },
      ])
      expect(applied).toBe(false)
      expect(await storage.get(key('actor'))).toBeUndefined()
      expect((await storage.get(key('name')))?.value).toEqual({ who: 'other' })
    })

    test('S3: a check guards what is written beside it', async () => {
      await storage.putIf(key('guard'), {}, 'ABSENT')
      const write = { kind: 'putIf', key: key('a'), value: {}, expected: 'ABSENT' } as const
      const guarded = (expected: number) =>
        storage.transact([{ kind: 'check', key: key('guard'), expected }, write])
      expect(await guarded(2)).toBe(false)
      expect(await guarded(1)).toBe(true)
    })

    test('S3: of two transactions over the same rows, one wins', async () => {
      const claim = (who: string) =>
        storage.transact([
          { kind: 'putIf', key: key('a'), value: { who }, expected: 'ABSENT' },
          { kind: 'putIf', key: key('b'), value: { who }, expected: 'ABSENT' },
        ])
      const outcomes = await Promise.all([claim('x'), claim('y')])
      expect(outcomes.filter((won) => won)).toHaveLength(1)
      expect((await storage.get(key('a')))?.value).toEqual((await storage.get(key('b')))?.value)
    })

    test('a transaction of too many items, or of one row twice, is refused', async () => {
      const item = (sk: string) =>
        ({ kind: 'putIf', key: key(sk), value: {}, expected: 'ABSENT' }) as const
      const many = Array.from({ length: TRANSACT_ITEMS_MAX + 1 }, (_, index) => item(String(index)))
      await expect(storage.transact(many)).rejects.toThrow(RangeError)
      await expect(storage.transact([item('a'), item('a')])).rejects.toThrow(RangeError)
      expect(await storage.get(key('a'))).toBeUndefined()
      expect(await storage.transact(many.slice(1))).toBe(true)
    })

    test('S4: what is read or written is the own copy of each side', async () => {
      const value = { list: [1] }
      await storage.putIf(key('a'), value, 'ABSENT')
      value.list.push(2)
      const row = await storage.get(key('a'))
      const list = row?.value['list'] as number[] | undefined
      list?.push(3)
      expect((await storage.get(key('a')))?.value).toEqual({ list: [1] })
    })
  })
}

const key = (sk: string): RowKey => ({ table: 'cluster', pk: 'pk', sk })
