// What membership costs in the GCS, by the units that DynamoDB would charge for its traffic.
import { expect, test } from 'vitest'
import type { Consumed } from '../../../runtime/gcs/meter.ts'
import { NODE_ID_BYTES } from '../../../runtime/common/ids.ts'
import { CHANGES_MAX, packChanges } from '../../../runtime/gcs/membership-changes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { membershipKey } from '../../../runtime/gcs/tables.ts'
import { TestMembers } from '../../support/members.ts'
import { meteredStorage } from '../../support/metered-storage.ts'

test('all read the membership row: with as many changes as it keeps it is one read unit', async () => {
  let readUnits = 0
  const meter = {
    record: (consumed: Consumed): void => {
      readUnits += consumed.readUnits
    },
  }
  const storage = meteredStorage(new MemoryStorage(), meter)
  const nodeId = 'f'.repeat(2 * NODE_ID_BYTES)
  const change = { nodeId, epoch: 999, state: 'DEAD', left: true } as const
  const changes = packChanges(Array.from({ length: 2 * CHANGES_MAX }, () => change))
  const value = { clusterEpoch: 'f'.repeat(16), version: 1_000_000, changes }
  await storage.putIf(membershipKey, value, 'ABSENT')
  await storage.get(membershipKey, { stale: true })
  expect(readUnits).toBe(0.5)
})

test('F36: the hottest key at a thousand nodes stays below a thousand units a second', async () => {
  const perSecond = new Map<string, number>()
  let total = 0
  const meter = {
    record({ table, pk = '', readUnits, writeUnits }: Consumed): void {
      const second = Math.floor(members.clock.monotonicMs() / 1000)
      const key = `${table}/${pk}@${String(second)}`
      perSecond.set(key, (perSecond.get(key) ?? 0) + readUnits + writeUnits)
      total += writeUnits
    },
  }
  // One node in a hundred is run; each stands for a hundred.
  const [run, scale] = [10, 100]
  const members = new TestMembers(meteredStorage(new MemoryStorage(), meter))
  await members.addMany(run)
  await members.clock.advance(60_000)
  perSecond.clear()
  total = 0
  await members.clock.advance(60_000)
  const perKey = new Map<string, number[]>()
  for (const [key, units] of perSecond) {
    const [name = ''] = key.split('@')
    perKey.set(name, [...(perKey.get(name) ?? []), units])
  }
  const hottest = [...perKey].map(([name, units]) => ({
    name,
    units: (units.reduce((sum, unit) => sum + unit, 0) / 60) * scale,
  }))
  expect(hottest).not.toEqual([])
  for (const { name, units } of hottest) expect(units, name).toBeLessThan(1000)
  // A quarter of a write unit per node and second, as designed.
  expect(total / 60 / run).toBeLessThanOrEqual(0.25)
  members.stopAll()
})
