// What the tables look like when somebody who was declared dead has written after that.
import { expect, it } from 'vitest'
import type { Row } from '../../runtime/gcs/storage.ts'
import { actorKey, groupKey, nodeKey } from '../../runtime/gcs/tables.ts'
import { StaleCommits } from './stale-commits.ts'

const NODE = 'ab'
const node = (state: string, version: number, epoch = 1): Row => {
  return { key: nodeKey(NODE), version, value: { nodeId: NODE, epoch, state } }
}
const KEYS = { actor: actorKey('01'.repeat(16)), group: groupKey('02'.repeat(18)) }
const held = (what: keyof typeof KEYS, version: number, more: Row['value'] = {}): Row => {
  return { key: KEYS[what], version, value: { nodeId: NODE, epoch: 1, state: 'ALIVE', ...more } }
}
const found = (...looks: readonly Row[][]): number => {
  const stale = new StaleCommits()
  for (const rows of looks) stale.look(rows)
  return stale.found.length
}

it('ND1: a row of a node that is written after its death is found; its next epoch is not', () => {
  expect(found([node('ALIVE', 1)], [node('ALIVE', 2)], [node('DEAD', 3)])).toBe(0)
  expect(found([node('DEAD', 3)], [node('DEAD', 4)])).toBe(1)
  expect(found([node('DEAD', 3)], [node('ALIVE', 4)])).toBe(1)
  expect(found([node('DEAD', 3)], [node('ALIVE', 4, 2)], [node('ALIVE', 5, 2)])).toBe(0)
})

it.each(['actor', 'group'] as const)(
  'a row of an %s that its holder writes after its death is found; others may take it over',
  (what) => {
    const dead = node('DEAD', 3)
    // The first look after the death says where the row stood; what it was before is no matter.
    expect(found([dead, held(what, 5)], [dead, held(what, 5)], [dead, held(what, 5)])).toBe(0)
    expect(found([dead, held(what, 5)], [dead, held(what, 6)])).toBe(0)
    expect(found([dead], [dead, held(what, 5)], [dead, held(what, 6)])).toBe(1)
    const other = held(what, 6, { nodeId: 'cd' })
    expect(found([dead], [dead, held(what, 5)], [dead, other], [dead, other])).toBe(0)
    const over = held(what, 6, { state: 'DEAD' })
    expect(found([dead], [dead, held(what, 5)], [dead, over])).toBe(0)
  },
)
