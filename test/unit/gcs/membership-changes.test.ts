// Changes of the membership as bytes of a row: all of them come back, and none from other bytes.
import { expect, test } from 'vitest'
import {
  CHANGES_MAX,
  arePacked,
  packChanges,
  unpackChanges,
  type Announcement,
} from '../../../runtime/gcs/membership-changes.ts'

const id = 'a0b1c2d3e4f5061728394a5b6c7d'
const all: Announcement[] = [
  { nodeId: id, epoch: 1, state: 'ALIVE' },
  { nodeId: 'no hex: ä', epoch: 2 ** 40, state: 'DRAINING' },
  { nodeId: 'abc', epoch: 0, state: 'DEAD' },
  { nodeId: id, epoch: 300, state: 'DEAD', left: true },
]

test('changes come back as they were, with the versions up to that of the row', () => {
  expect(unpackChanges(packChanges(all), 9)).toEqual(
    all.map((change, index) => ({ ...change, version: 6 + index })),
  )
  expect(unpackChanges(packChanges([]), 0)).toEqual([])
})

test('only the newest are kept, each in 17 bytes', () => {
  const many = Array.from({ length: CHANGES_MAX + 5 }, (_, epoch): Announcement => {
    return { nodeId: id, epoch: epoch % 128, state: 'DEAD' }
  })
  const packed = packChanges(many)
  expect(packed).toHaveLength(17 * CHANGES_MAX)
  const [first] = unpackChanges(packed, many.length)
  expect(first).toEqual({ ...many[5], version: 6 })
})

test('what was cut off, has a kind that is not known, or is no bytes is none of it', () => {
  const packed = packChanges(all)
  expect(arePacked(packed)).toBe(true)
  expect(arePacked(packed.subarray(0, -1))).toBe(false)
  expect(arePacked(Uint8Array.of(9, 1, 0xaa, 1))).toBe(false)
  expect(arePacked([])).toBe(false)
})
