// What a query of the state makes rows of.
import { expect, test } from 'vitest'
import type { ObjectStore } from '../../../runtime/objects/store.ts'
import { objectRows } from '../../../runtime/raylet/state-rows.ts'

test('of objects that nobody asked for no row is made, but they are counted', () => {
  let readCount = 0
  const object = {
    ...{ objectId: 'id', sizeBytes: 1, state: 'SEALED', pinnerCount: 0 },
    get creator() {
      readCount += 1
      return 'creator'
    },
  }
  const store = { list: () => Array.from({ length: 100 }, () => object) }
  const { rows, dropped } = objectRows(store as unknown as ObjectStore, 'node', 2)
  expect([rows.length, dropped, readCount]).toEqual([2, 98, 2])
})
