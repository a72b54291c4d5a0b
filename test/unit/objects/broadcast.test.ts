// One object for many nodes: the tree that it is sent along, and how long that takes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Serve,
  checkBroadcast,
  createBroadcast,
  depthOf,
  nodeHolds,
  nodeLeft,
  nodeWants,
} from '../../../runtime/objects/broadcast.ts'

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`)

describe('a broadcast', () => {
  it('to 8 nodes is a tree: nobody sends more than twice, nobody is deeper than 3', () => {
    const state = createBroadcast({ fanOut: 2 })
    nodeHolds(state, 'holder')
    const serves = names(8).flatMap((name) => nodeWants(state, name))
    checkBroadcast(state)
    const sentBy = Map.groupBy(serves, ({ from }) => from)
    expect(serves).toHaveLength(8)
    expect(sentBy.get('holder')).toHaveLength(2)
    expect(Math.max(...[...sentBy.values()].map(({ length }) => length))).toBe(2)
    expect(Math.max(...names(8).map((name) => depthOf(state, name)))).toBe(3)
  })

  it('takes little longer for 8 nodes than for one, as chunks are passed on as they come', () => {
    // Every link carries one chunk per round; a node can send what it had before the round.
    const roundsFor = (count: number, chunkCount: number): number => {
      const state = createBroadcast({ fanOut: 2 })
      nodeHolds(state, 'holder')
      const serves = names(count).flatMap((name) => nodeWants(state, name))
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

  it('waits for a holder, whoever came first first', () => {
    const state = createBroadcast({ fanOut: 2 })
    expect(names(3).flatMap((name) => nodeWants(state, name))).toEqual([])
    expect(nodeHolds(state, 'holder').map(({ to }) => to)).toEqual(['n0', 'n1', 'n2'])
    expect(nodeWants(state, 'n1')).toEqual([])
  })

  it('F07: gives the receivers of a node that is gone other sources, their own not asked', () => {
    const state = createBroadcast({ fanOut: 2 })
    nodeHolds(state, 'holder')
    for (const name of names(6)) nodeWants(state, name) // n0 serves n2 and n4
    const moved = nodeLeft(state, 'n0')
    checkBroadcast(state)
    expect(moved.map(({ to }) => to).sort()).toEqual(['n2', 'n4'])
    expect(nodeLeft(state, 'holder')).toEqual([])
    checkBroadcast(state)
    expect(nodeHolds(state, 'other')).toHaveLength(5)
  })

  it('reaches everybody in the end, whoever comes, goes and is done', () => {
    const event = fc.tuple(fc.constantFrom('wants', 'holds', 'left', 'done'), fc.nat(11))
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const state = createBroadcast({ fanOut: 2 })
        const sources = new Map<string, string>()
        const wanting = new Set<string>()
        const take = (serves: readonly Serve[]): void => {
          for (const { from, to } of serves) sources.set(to, from)
          checkBroadcast(state)
        }
        const done = (name: string): void => {
          wanting.delete(name)
          take(nodeHolds(state, name))
        }
        for (const [type, index] of events) {
          const name = `n${index}`
          if (type === 'wants') {
            if (!state.nodes.has(name)) wanting.add(name)
            take(nodeWants(state, name))
          } else if (type === 'left') {
            wanting.delete(name)
            take(nodeLeft(state, name))
          } else if (type === 'holds' || wanting.has(name)) done(name)
          for (const { name: to, source } of state.nodes.values()) {
            if (source !== undefined) expect(sources.get(to)).toBe(source.name)
          }
        }
        done('last')
        expect(state.waiting.size).toBe(0)
        for (const name of wanting) expect(depthOf(state, name)).toBeGreaterThan(0)
      }),
    )
  })
})
