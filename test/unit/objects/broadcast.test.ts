// One object for many nodes: the tree that it is sent along, and how long that takes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkBroadcast,
  createBroadcast,
  depthOf,
  nodeHolds,
  nodeLeft,
  sourceFor,
  type BroadcastState,
} from '../../../runtime/objects/broadcast.ts'

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`)

function held(): BroadcastState {
  const state = createBroadcast({ fanOut: 2 })
  nodeHolds(state, 'holder')
  return state
}

describe('a broadcast', () => {
  it('to 8 nodes is a tree: nobody sends more than twice, nobody is deeper than 3', () => {
    const state = held()
    const sources = names(8).map((name) => sourceFor(state, name))
    checkBroadcast(state)
    const sentBy = Map.groupBy(sources, (source) => source)
    expect(sentBy.get('holder')).toHaveLength(2)
    expect(Math.max(...[...sentBy.values()].map(({ length }) => length))).toBe(2)
    expect(Math.max(...names(8).map((name) => depthOf(state, name)))).toBe(3)
  })

  it('takes little longer for 8 nodes than for one, as chunks are passed on as they come', () => {
    // Every link carries one chunk per round; a node can send what it had before the round.
    const roundsFor = (count: number, chunkCount: number): number => {
      const state = held()
      const serves = names(count).map((to) => ({ to, from: sourceFor(state, to) ?? '' }))
      const chunksAt = new Map([
        ['holder', chunkCount],
        ...names(count).map((n) => [n, 0] as const),
      ])
      const had = (name: string): number => chunksAt.get(name) ?? 0
      let rounds = 0
      for (; names(count).some((name) => had(name) < chunkCount); rounds++) {
        const before = new Map(chunksAt)
        for (const { from, to } of serves) {
          if ((before.get(from) ?? 0) > had(to)) chunksAt.set(to, had(to) + 1)
        }
      }
      return rounds
    }
    expect(roundsFor(1, 250)).toBe(250) // 1 GB in chunks of 4 MiB
    expect(roundsFor(8, 250)).toBe(252)
  })

  it('to nodes that come one by one is shared by all that have it by then', () => {
    const state = held()
    const sent = new Map<string, number>()
    for (const name of names(8)) {
      const source = sourceFor(state, name) ?? ''
      sent.set(source, (sent.get(source) ?? 0) + 1)
      nodeHolds(state, name)
    }
    expect(Math.max(...sent.values())).toBe(1)
  })

  it('whoever asks twice is sent to the same source, until that fails it', () => {
    const state = held()
    for (const name of names(3)) sourceFor(state, name)
    expect(sourceFor(state, 'n2')).toBe('n0')
    expect(sourceFor(state, 'n2', ['n0'])).toBe('n1')
    expect(sourceFor(state, 'n2', ['n0', 'n1', 'holder'])).toBeUndefined()
    checkBroadcast(state)
  })

  it('F07: the receivers of a node that is gone get other sources, their own not asked', () => {
    const state = held()
    for (const name of names(6)) sourceFor(state, name) // n0 serves n2 and n4
    nodeLeft(state, 'n0')
    checkBroadcast(state)
    expect(sourceFor(state, 'n2', ['n0'])).toBe('holder')
    expect(sourceFor(state, 'n4', ['n0'])).toBe('n2')
    nodeLeft(state, 'holder')
    expect(sourceFor(state, 'n5')).toBe('n1') // which asks for another source itself
    expect(sourceFor(state, 'n1', ['holder'])).toBeUndefined()
    nodeHolds(state, 'other')
    expect(sourceFor(state, 'n1', ['holder'])).toBe('other')
    checkBroadcast(state)
  })

  it('has no circle and always a source, whoever comes, goes, fails and is done', () => {
    const kind = fc.constantFrom('wants', 'holds', 'left', 'failed')
    const event = fc.tuple(kind, fc.nat(11), fc.nat(11))
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const state = held()
        for (const [type, index, other] of events) {
          const name = `n${index}`
          if (type === 'wants') expect(sourceFor(state, name)).toBeDefined()
          else if (type === 'failed') {
            if (state.nodes.has(name)) expect(sourceFor(state, name, [`n${other}`])).toBeDefined()
          } else if (type === 'left') nodeLeft(state, name)
          else nodeHolds(state, name)
          checkBroadcast(state)
        }
      }),
    )
  })
})
