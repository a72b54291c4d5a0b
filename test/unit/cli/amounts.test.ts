// Amounts as people read them.
import { describe, expect, it } from 'vitest'
import { bytesText, durationText, plural, resourcesText } from '../../../cli/amounts.ts'

describe('amounts', () => {
  it('shows bytes in the largest unit that leaves a whole part', () => {
    expect([0, 1023, 1024, 1536, 100 * 1024, 5 * 1024 ** 3, 3 * 1024 ** 5].map(bytesText)).toEqual([
      ...['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '100 KiB', '5.0 GiB', '3072 TiB'],
    ])
  })

  it('shows times as a person would say them', () => {
    expect([0.4, 250, 3210, 59_949, 59_950, 125_000, 3_725_000, NaN].map(durationText)).toEqual([
      ...['0 ms', '250 ms', '3.2 s', '59.9 s', '1 m 0 s', '2 m 5 s', '1 h 2 m', '-'],
    ])
  })

  it('shows resources with memory in bytes', () => {
    expect(resourcesText({ CPU: 0.5, memory: 1024, slots: 2 })).toBe(
      'CPU: 0.5, memory: 1.0 KiB, slots: 2',
    )
    expect(resourcesText(undefined)).toBe('')
  })

  it('counts one and many', () => {
    expect([plural(1, 'task'), plural(1200, 'task')]).toEqual(['1 task', '1,200 tasks'])
  })
})
