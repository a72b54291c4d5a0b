// What a wait fetches: so much at a time, once, and nothing more when it has ended.
import { describe, expect, it } from 'vitest'
import { LocalCopies } from '../../../runtime/core-worker/local-copies.ts'
import { FAILED, STORED, type ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'

const MAX = 64

interface Fetching extends PromiseWithResolvers<void> {
  readonly sizeBytes: number
}

function world({ isLost = false } = {}) {
  const fetching: Fetching[] = []
  const came: ObjectEntry[] = []
  const local = new LocalCopies({
    here: 'here',
    fetch: ({ sizeBytes }) => {
      const fetch = { ...Promise.withResolvers<void>(), sizeBytes }
      fetching.push(fetch)
      return fetch.promise
    },
    lost: () => isLost,
  })
  const fetches = local.fetches((entry) => came.push(entry))
  return { fetching, came, local, fetches }
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
    const entries = Array.from({ length: MAX + 3 }, (_none, at) => stored(at, 'there'))
    for (const entry of entries) fetches.add(entry)
    expect(fetching.length).toBe(MAX)
    fetching[5]?.resolve()
    await turn()
    expect(came).toEqual([entries[5]])
    expect(fetching.length).toBe(MAX + 1)
    fetches.stop()
    fetching[6]?.resolve()
    await turn()
    expect(fetching.length).toBe(MAX + 1)
    expect(entries.filter(local.has)).toEqual([entries[5], entries[6]])
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
