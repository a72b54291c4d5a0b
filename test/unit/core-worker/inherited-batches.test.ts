// What an heir is given comes in messages that are no larger than others.
import { describe, expect, test } from 'vitest'
import {
  BATCH_BYTES_MAX,
  BATCH_OBJECTS_MAX,
  inheritedBatches,
} from '../../../runtime/core-worker/inherited-batches.ts'
import type { Inherited } from '../../../runtime/protocol/peer-messages.ts'

const small = (sizeBytes: number): Inherited => ({
  ref: new Uint8Array(),
  value: { kind: 'inline', blob: new Uint8Array(sizeBytes) },
  contained: [],
})

const countsOf = (all: Iterable<Inherited>): number[] =>
  [...inheritedBatches(all)].map((batch) => batch.length)

describe('batches of what is inherited', () => {
  test('there is none of nothing, and no empty one', () => {
    expect(countsOf([])).toEqual([])
    expect(countsOf(Array.from({ length: BATCH_OBJECTS_MAX }, () => small(1)))).toEqual([
      BATCH_OBJECTS_MAX,
    ])
  })

  test('each has so many at most', () => {
    const all = Array.from({ length: 2 * BATCH_OBJECTS_MAX + 1 }, () => small(1))
    expect(countsOf(all)).toEqual([BATCH_OBJECTS_MAX, BATCH_OBJECTS_MAX, 1])
  })

  test('each ends once its bytes are enough', () => {
    const half = small(BATCH_BYTES_MAX / 2)
    expect(countsOf([half, half, half, small(BATCH_BYTES_MAX), half])).toEqual([2, 2, 1])
  })

  test('what comes later is not made before what comes first was sent', () => {
    let made = 0
    const all = [1, 2].values().map(() => {
      made += 1
      return small(BATCH_BYTES_MAX)
    })
    inheritedBatches(all).next()
    expect(made).toBe(1)
  })
})
