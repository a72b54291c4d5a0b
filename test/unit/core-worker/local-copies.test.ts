// What a wait fetches: so much at a time, once, nothing more when it has ended, and for nobody only
// a while.
import { describe, expect, it } from 'vitest'
import { READS_AT_ONCE_MAX } from '../../../runtime/common/limits.ts'
import { LocalCopies } from '../../../runtime/core-worker/local-copies.ts'
import { FAILED, STORED, type ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import { HandClock } from '../../support/hand-clock.ts'

const UNWANTED_MS = 10_000

interface Fetching extends PromiseWithResolvers<void> {
  readonly sizeBytes: number
  hasLeft: boolean
}

function world({ isLost = false } = {}) {
  const fetching: Fetching[] = []
  const came: ObjectEntry[] = []
  const clock = new HandClock()
  const local = new LocalCopies({
    ...{ clock, here: 'here' },
    fetch: ({ sizeBytes }) => {
      const fetch = { ...Promise.withResolvers<void>(), sizeBytes, hasLeft: false }
      fetching.push(fetch)
      const leave = (): void => {
        fetch.hasLeft = true
        fetch.reject(new RangeError('nobody wants it'))
      }
      return { done: fetch.promise, leave }
    },
    lost: () => isLost,
  })
  const fetches = local.fetches((entry) => came.push(entry))
  return { clock, fetching, came, local, fetches }
}

const stored = (sizeBytes: number, nodeId?: string): ObjectEntry =>
  ({ pending: false, state: STORED, value: { sizeBytes, nodeId } }) as unknown as ObjectEntry
const turn = (): Promise<void> => new Promise(setImmediate)

describe('what a wait fetches', () => {
  it('has what is of this node, what is small and what has failed', () => {
    const { local } = world()
    const failed = { pending: false, state: FAILED } as unknown as ObjectEntry
    const all = [stored(1), stored(1, 'here'), failed, stored(1, 'there')]
    expect(all.map(local.has)).toEqual([true, true, true, false])
  })

  it('LC2 comes so many at a time, and no more once the wait has ended', async () => {
    const { fetching, came, local, fetches } = world()
    const entries = Array.from({ length: READS_AT_ONCE_MAX + 3 }, (_none, at) =>
      stored(at, 'there'),
    )
    for (const entry of entries) fetches.add(entry)
    expect(fetching.length).toBe(READS_AT_ONCE_MAX)
    fetching[5]?.resolve()
    await turn()
    expect(came).toEqual([entries[5]])
    expect(fetching.length).toBe(READS_AT_ONCE_MAX + 1)
    fetches.stop()
    fetching[6]?.resolve()
    await turn()
    expect(fetching.length).toBe(READS_AT_ONCE_MAX + 1)
    expect(entries.filter(local.has)).toEqual([entries[5], entries[6]])
  })

  it('LC3 is given up when no wait has wanted it for a while, and begun anew by the next', async () => {
    const { clock, fetching, local, fetches } = world()
    const entries = [stored(1, 'there'), stored(2, 'there')] as const
    for (const entry of entries) fetches.add(entry)
    fetches.stop()
    const other = local.fetches(() => undefined)
    other.add(entries[1])
    clock.turn(UNWANTED_MS)
    await turn()
    expect(fetching.map(({ hasLeft }) => hasLeft)).toEqual([true, false])
    expect(entries.map(local.has)).toEqual([false, false])
    other.add(entries[0])
    expect(fetching.map(({ sizeBytes }) => sizeBytes)).toEqual([1, 2, 1])
    other.stop()
    // The second time it is left alone twice as long: a loop that looks rarely gets there.
    clock.turn(UNWANTED_MS)
    expect(fetching.map(({ hasLeft }) => hasLeft)).toEqual([true, true, false])
    clock.turn(UNWANTED_MS)
    expect(fetching.map(({ hasLeft }) => hasLeft)).toEqual([true, true, true])
    await turn()
  })

  it('LC3 goes on for a loop of waits that end before it has come', async () => {
    const { clock, fetching, local } = world()
    const entry = stored(1, 'there')
    for (let looks = 0; looks < 5; looks += 1) {
      const fetches = local.fetches(() => undefined)
      fetches.add(entry)
      fetches.stop()
      clock.turn(UNWANTED_MS - 1)
    }
    expect(fetching.length).toBe(1)
    fetching[0]?.resolve()
    await turn()
    expect(local.has(entry)).toBe(true)
    expect(clock.pendingCount).toBe(0)
  })

  it.each([true, false])(
    'LC1 is ready when it cannot be read, unless it comes again: %s',
    async (isLost) => {
      const { fetching, came, local, fetches } = world({ isLost })
      const entry = stored(1, 'there')
      fetches.add(entry)
      fetching[0]?.reject(new RangeError('gone'))
      await turn()
      expect(came).toEqual([entry])
      expect(local.has(entry)).toBe(!isLost)
    },
  )
})
