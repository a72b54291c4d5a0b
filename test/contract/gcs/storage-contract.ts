// What every Storage keeps: S1 to S4 of runtime/gcs/storage.ts. Each implementation runs it whole;
// nothing in it may be skipped.
import { beforeEach, describe, expect, test } from 'vitest'
import { GcsWriteUnknownError, UsageError } from '../../../runtime/common/errors.ts'
import type { Row, RowKey, Storage, WriteOutcome } from '../../../runtime/gcs/storage.ts'
import { TRANSACT_ITEMS_MAX } from '../../../runtime/gcs/storage.ts'

/** @param options.doubts  whether an attempt may be in doubt, as faults are put in. */
export function storageContract(
  name: string,
  make: () => Promise<Storage> | Storage,
  { doubts = false }: { readonly doubts?: boolean } = {},
): void {
  /** Of a transaction that loses after an attempt in doubt nobody can say that it will not be
   *  applied late (DC3): where it loses, its rows show that it is not. */
  const isApplied = async (transaction: Promise<boolean>): Promise<boolean> => {
    try {
      return await transaction
    } catch (error) {
      if (doubts && error instanceof GcsWriteUnknownError) return false
      throw error
    }
  }

  describe(`${name} keeps the contract of Storage`, () => {
    let storage: Storage
    beforeEach(async () => {
      storage = await make()
      partition = `pk-${String(partitions++)}`
    })

    test('S1: a row is read as it was written, its version is 1', async () => {
      const row = { key: key('a'), version: 1, value: { text: 'x', list: [1, 2] } }
      expect(await storage.putIf(key('a'), row.value, 'ABSENT')).toEqual({ won: true, row })
      expect(await storage.get(key('a'))).toEqual(row)
      expect(await storage.get(key('a'), { stale: true })).toEqual(row)
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
      const row = { key: key('a'), version: 2, value: { kept: 1, changed: 2, added: 3 } }
      const outcome = await storage.update(key('a'), { changed: 2, added: 3 }, 1)
      expect(outcome).toEqual({ won: true, row })
      expect(await storage.get(key('a'))).toEqual(row)
      expect(await storage.update(key('a'), { changed: 9 }, 1)).toEqual({
        won: false,
        current: row,
      })
      expect(await storage.update(key('b'), { changed: 9 }, 1)).toEqual({
        won: false,
        current: undefined,
      })
    })

    test('update by fields: whatever the version, if the row holds them; it answers the row', async () => {
      await storage.putIf(key('a'), { epoch: 3, alive: true, commands: ['drain'] }, 'ABSENT')
      const holding = { fields: { epoch: 3, alive: true } }
      expect(rowOf(await storage.update(key('a'), { heartbeat: 1 }, holding)).value).toEqual({
        epoch: 3,
        alive: true,
        commands: ['drain'],
        heartbeat: 1,
      })
      expect(rowOf(await storage.update(key('a'), { heartbeat: 2 }, holding)).version).toBe(3)
      await storage.update(key('a'), { alive: false }, { fields: { epoch: 3 } })
      expect(await storage.update(key('a'), { heartbeat: 3 }, holding)).toMatchObject({
        won: false,
        current: { value: { alive: false, heartbeat: 2 } },
      })
      expect(await storage.update(key('b'), { heartbeat: 3 }, holding)).toEqual({
        won: false,
        current: undefined,
      })
    })

    test('delete by fields: if the row holds them', async () => {
      await storage.putIf(key('a'), { actorId: 'x' }, 'ABSENT')
      expect(await storage.delete(key('a'), { fields: { actorId: 'y' } })).toMatchObject({
        won: false,
        current: { value: { actorId: 'x' } },
      })
      expect(await storage.delete(key('a'), { fields: { actorId: 'x' } })).toEqual({ won: true })
      expect(await storage.get(key('a'))).toBeUndefined()
    })

    test('values of every kind come back as they were; undefined fields are left out', async () => {
      const value = {
        text: 'ä\u{1F600}',
        empty: '',
        numbers: [0, -1.5, 2 ** 53, 1e-100, 1.7976931348623157e100],
        flags: [true, false, null],
        bytes: Uint8Array.from([0, 255, 7]),
        nested: { 'a.b': { c: [[], {}] }, v: 1, ['__proto__']: 2 },
      }
      await storage.putIf(key('a'), { ...value, gone: undefined }, 'ABSENT')
      const read = (await storage.get(key('a')))?.value
      expect(read).toEqual(value)
      expect(Object.keys(read ?? {})).not.toContain('gone')
      const bytes = read?.['bytes'] as Uint8Array | undefined
      expect(bytes?.constructor).toBe(Uint8Array)
    })

    test('who loses a race is told the row whatever its fields are called', async () => {
      const value = { ['__proto__']: 1, nested: { ['__proto__']: 2, ['%__proto__']: [3] } }
      await storage.putIf(key('a'), value, 'ABSENT')
      const lost = await storage.putIf(key('a'), { other: true }, 'ABSENT')
      expect(lost).toMatchObject({ won: false, current: { value } })
      await storage.update(key('a'), { ['__proto__']: 4 }, { fields: { ['__proto__']: 1 } })
      const read = (await storage.get(key('a')))?.value ?? {}
      expect(Object.entries(read)).toContainEqual(['__proto__', 4])
    })

    test('what a row cannot hold is refused with its path, and nothing is written', async () => {
      const refused = [{ f: () => 1 }, { f: NaN }, { f: 1e300 }, { f: new Date(0) }, { f: 1n }]
      for (const value of refused) {
        await expect(storage.putIf(key('a'), value, 'ABSENT')).rejects.toThrow(/at f\)/)
      }
      await expect(storage.putIf(key(''), {}, 'ABSENT')).rejects.toThrow(UsageError)
      await expect(storage.get(key('x'.repeat(1025)))).rejects.toThrow(UsageError)
      expect(await storage.get(key('a'))).toBeUndefined()
    })

    test('F38: a value far above 400 KB is written, updated, appended and read whole', async () => {
      const large = { args: new Uint8Array(600_000).fill(7), text: 'y'.repeat(500_000), n: 1 }
      await storage.putIf(key('a'), large, 'ABSENT')
      expect((await storage.get(key('a')))?.value).toEqual(large)
      const text = 'z'.repeat(450_000)
      const updated = rowOf(await storage.update(key('a'), { text, n: 2 }, { fields: { n: 1 } }))
      expect(updated.value).toEqual({ ...large, text, n: 2 })
      const small = rowOf(await storage.update(key('a'), { args: 1, text: 'short' }, 2))
      expect(small.value).toEqual({ args: 1, text: 'short', n: 2 })
      await storage.append([{ key: key('b'), value: large }])
      expect((await storage.query('cluster', partition)).map((row) => row.value)).toEqual([
        small.value,
        large,
      ])
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
      expect(rowOf(await storage.putIf(key('a'), {}, 'ABSENT')).version).toBe(1)
    })

    test('query gives one pk in the order of sk, by prefix, page by page', async () => {
      const names = ['C#3', 'A#2', 'A#10', 'B#1', 'A#1']
      for (const sk of names) await storage.putIf(key(sk), { sk }, 'ABSENT')
      await storage.putIf({ ...key('A#9'), pk: 'other' }, {}, 'ABSENT')
      await storage.putIf({ ...key('A#9'), table: 'lineage' }, {}, 'ABSENT')
      const keysOf = async (options: Parameters<Storage['query']>[2]): Promise<string[]> =>
        (await storage.query('cluster', partition, options)).map((row) => row.key.sk)
      expect(await keysOf({})).toEqual(['A#1', 'A#10', 'A#2', 'B#1', 'C#3'])
      expect(await keysOf({ prefix: 'A#' })).toEqual(['A#1', 'A#10', 'A#2'])
      expect(await keysOf({ prefix: 'A#', limit: 2 })).toEqual(['A#1', 'A#10'])
      expect(await keysOf({ prefix: 'A#', after: 'A#10' })).toEqual(['A#2'])
      expect(await keysOf({ prefix: 'A#', after: 'A' })).toEqual(['A#1', 'A#10', 'A#2'])
      expect(await keysOf({ prefix: 'A#', after: 'B' })).toEqual([])
      expect(await keysOf({ after: 'A#2', limit: 1, stale: true })).toEqual(['B#1'])
      expect(await keysOf({ prefix: 'Z' })).toEqual([])
    })

    test('query orders by UTF-8 bytes, as DynamoDB does', async () => {
      const names = ['z', '\u{1F600}', '\u{FF5E}', 'A', 'a']
      for (const sk of names) await storage.putIf(key(sk), {}, 'ABSENT')
      const rows = await storage.query('cluster', partition)
      expect(rows.map((row) => row.key.sk)).toEqual(['A', 'a', 'z', '\u{FF5E}', '\u{1F600}'])
    })

    test('query reads on where one page of the service ends', async () => {
      const text = 'x'.repeat(60_000)
      const rows = Array.from({ length: 30 }, (_, index) => ({
        key: key(String(index).padStart(2, '0')),
        value: { index, text },
      }))
      await storage.append(rows) // 1.8 MB, where a page of DynamoDB has 1 MB
      const read = await storage.query('cluster', partition)
      expect(read.map((row) => row.value['index'])).toEqual(rows.map(({ value }) => value.index))
    })

    test('append takes more rows than a batch of the service; of one key the last counts', async () => {
      const rows = Array.from({ length: 60 }, (_, index) => ({
        key: key(String(index % 55).padStart(2, '0')),
        value: { index },
        expiresAtMs: Date.now() + 86_400_000,
      }))
      await storage.append(rows)
      const read = await storage.query('cluster', partition)
      expect(read).toHaveLength(55)
      expect(read[0]?.value).toEqual({ index: 55 })
      await storage.append([])
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

    test('a transaction makes a row that may be dropped some day, and replaces it by one that stays', async () => {
      const put = { kind: 'putIf', key: key('a') } as const
      const expiresAtMs = Date.now() + 86_400_000
      const mark = { ...put, value: { n: 1 }, expected: 'ABSENT', expiresAtMs } as const
      expect(await storage.transact([mark])).toBe(true)
      expect(await storage.get(key('a'))).toMatchObject({ version: 1, value: { n: 1 } })
      expect(await storage.transact([{ ...put, value: { n: 2 }, expected: 1 }])).toBe(true)
      expect(await storage.get(key('a'))).toMatchObject({ version: 2, value: { n: 2 } })
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

    test('S3: an update and a delete by fields in a transaction', async () => {
      await storage.putIf(key('actor'), { state: 'ALIVE', incarnation: 2 }, 'ABSENT')
      await storage.putIf(key('name'), { actorId: 'x' }, 'ABSENT')
      const die = (incarnation: number) =>
        storage.transact([
          {
            kind: 'update',
            key: key('actor'),
            fields: { state: 'DEAD' },
            expected: { fields: { incarnation } },
          },
          { kind: 'delete', key: key('name'), expected: { fields: { actorId: 'x' } } },
        ])
      expect(await isApplied(die(1))).toBe(false)
      expect(await storage.get(key('name'))).toBeDefined()
      expect(await die(2)).toBe(true)
      expect(await storage.get(key('actor'))).toMatchObject({
        version: 2,
        value: { state: 'DEAD', incarnation: 2 },
      })
      expect(await storage.get(key('name'))).toBeUndefined()
    })

    test('S3: or not at all, when one condition fails', async () => {
      await storage.putIf(key('name'), { who: 'other' }, 'ABSENT')
      const applied = storage.transact([
        { kind: 'putIf', key: key('actor'), value: {}, expected: 'ABSENT' },
        { kind: 'putIf', key: key('name'), value: {}, expected: 'ABSENT' },
      ])
      expect(await isApplied(applied)).toBe(false)
      expect(await storage.get(key('actor'))).toBeUndefined()
      expect((await storage.get(key('name')))?.value).toEqual({ who: 'other' })
    })

    test('S3: a check guards what is written beside it', async () => {
      await storage.putIf(key('guard'), {}, 'ABSENT')
      const write = { kind: 'putIf', key: key('a'), value: {}, expected: 'ABSENT' } as const
      const guarded = (expected: number) =>
        storage.transact([{ kind: 'check', key: key('guard'), expected }, write])
      expect(await isApplied(guarded(2))).toBe(false)
      expect(await guarded(1)).toBe(true)
    })

    test('S3: of two transactions over the same rows, one wins', async () => {
      const claim = (who: string) =>
        storage.transact([
          { kind: 'putIf', key: key('a'), value: { who }, expected: 'ABSENT' },
          { kind: 'putIf', key: key('b'), value: { who }, expected: 'ABSENT' },
        ])
      const outcomes = await Promise.all([isApplied(claim('x')), isApplied(claim('y'))])
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

/** @param wrong  what a service says that counts an item's old size to its new one. */
export function growthContract(name: string, make: () => Storage, wrong?: string): void {
  describe(`${name} lets rows grow`, () => {
    let storage: Storage
    beforeEach(() => {
      storage = make()
      partition = `pk-${String(partitions++)}`
    })
    const names = Array.from({ length: 9 }, (_, index) => `f${String(index)}`)
    const grow = async (): Promise<WriteOutcome[]> => {
      await storage.putIf(key('a'), { epoch: 1 }, 'ABSENT')
      const outcomes: WriteOutcome[] = []
      for (const name of names) {
        const fields = { [name]: name.repeat(25_000) }
        outcomes.push(await storage.update(key('a'), fields, { fields: { epoch: 1 } }))
      }
      return outcomes
    }

    if (wrong === undefined) {
      test('F38: fields that outgrow an item together, update by update, are no error', async () => {
        expect((await grow()).map(({ won }) => won)).toEqual(names.map(() => true))
        const value = (await storage.get(key('a')))?.value
        expect(names.map((name) => value?.[name])).toEqual(names.map((name) => name.repeat(25_000)))
      })
    } else {
      test('F38: a row that is written whole to be smaller is refused, which is wrong', async () => {
        await expect(grow()).rejects.toThrow(wrong)
      })
    }
  })
}

// Every test has a partition of its own, as implementations may keep what earlier ones wrote.
let partitions = 0
let partition = ''
const key = (sk: string): RowKey => ({ table: 'cluster', pk: partition, sk })

function rowOf(outcome: WriteOutcome): Row {
  if (!outcome.won) throw new Error('the write lost its race')
  return outcome.row
}
