// Keys of the GCS: rows that would make one partition hot are spread.
import { expect, test } from 'vitest'
import { nodeKey } from '../../../runtime/gcs/tables.ts'

test('nodes are spread over the eight partitions by their id', () => {
  const partitions = new Set(
    Array.from({ length: 64 }, (_, i) => nodeKey(i.toString(16).padStart(2, '0')).pk),
  )
  expect(partitions.size).toBe(8)
})
