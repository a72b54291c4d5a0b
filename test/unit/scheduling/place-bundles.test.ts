// Bundles on nodes by the four strategies, all or nothing.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addResources,
  fits,
  NO_RESOURCES,
  resourceSet,
  type ResourceSet,
} from '../../../runtime/common/resources.ts'
import { ClusterView, type NodeView } from '../../../runtime/scheduling/cluster-view.ts'
import { placeBundles, type BundleStrategy } from '../../../runtime/scheduling/place-bundles.ts'

const cpus = (n: number): ResourceSet => resourceSet({ CPU: n * 10_000 })
const aNode = (nodeId: string, total: number, free = total): NodeView => ({
  nodeId,
  totals: cpus(total),
  free: cpus(free),
  labels: {},
})

const NODES = [aNode('a', 4), aNode('b', 4), aNode('c', 2)]
const plan = (bundles: readonly number[], strategy: BundleStrategy, nodes = NODES) =>
  placeBundles(bundles.map(cpus), new ClusterView(nodes), strategy)

describe('placement of bundles', () => {
  test('PACK uses as few nodes as it takes, and overflows to the next', () => {
    expect(plan([1, 1, 1], 'PACK')).toEqual({ kind: 'PLACE', nodeIds: ['a', 'a', 'a'] })
    expect(new Set(nodeIdsOf(plan([2, 2, 2], 'PACK')))).toEqual(new Set(['a', 'b']))
  })

  test('SPREAD uses every node before it uses one twice', () => {
    expect(new Set(nodeIdsOf(plan([1, 1, 1], 'SPREAD')))).toEqual(new Set(['a', 'b', 'c']))
    expect(nodeIdsOf(plan([1, 1, 1, 1], 'SPREAD'))).toHaveLength(4)
  })

  test('STRICT_PACK is one node or none', () => {
    expect(plan([2, 2], 'STRICT_PACK')).toEqual({ kind: 'PLACE', nodeIds: ['a', 'a'] })
    expect(plan([3, 3], 'STRICT_PACK').kind).toBe('INFEASIBLE')
  })

  test('STRICT_SPREAD is a node for each', () => {
    expect(new Set(nodeIdsOf(plan([1, 1, 1], 'STRICT_SPREAD'))).size).toBe(3)
    expect(plan([1, 1, 1, 1], 'STRICT_SPREAD')).toEqual({
      kind: 'INFEASIBLE',
      reason: 'STRICT_SPREAD needs a node for each of 4 bundles, there are 3 nodes',
    })
  })

  test('what would fit on empty nodes waits', () => {
    expect(plan([4], 'PACK', [aNode('a', 4, 1)]).kind).toBe('WAIT')
    expect(plan([5], 'PACK', [aNode('a', 4, 1)]).kind).toBe('INFEASIBLE')
  })

  test('slow nodes are left out, unless the others can never hold all', () => {
    const slow = { ...aNode('a', 4), isSlow: true }
    expect(nodeIdsOf(plan([1, 1], 'SPREAD', [slow, aNode('b', 4)]))).toEqual(['b', 'b'])
    expect(plan([2], 'PACK', [slow, aNode('b', 2, 1)]).kind).toBe('WAIT')
    expect(nodeIdsOf(plan([3], 'PACK', [slow, aNode('b', 2)]))).toEqual(['a'])
    expect(nodeIdsOf(plan([1, 1], 'STRICT_SPREAD', [slow, aNode('b', 2)]))).toHaveLength(2)
    expect(plan([5], 'PACK', [slow, aNode('b', 2)]).kind).toBe('INFEASIBLE')
  })

  test('large bundles are placed before small ones take their room', () => {
    expect(plan([1, 4], 'PACK', [aNode('a', 4), aNode('b', 2)])).toEqual({
      kind: 'PLACE',
      nodeIds: ['b', 'a'],
    })
  })

  test('a search without end is given up by how many nodes were looked at: the group waits', () => {
    // 59 licences for 60 bundles, no two nodes alike: every order of them is another dead end.
    const nodes = Array.from({ length: 1_000 }, (_, index): NodeView => {
      const has = { CPU: 640_000, licence: index < 59 ? 10_000 : 0, other: index + 1 }
      return { nodeId: `n${String(index)}`, totals: has, free: has, labels: {} }
    })
    let looks = 0
    const bundle = {
      get CPU() {
        looks += 1
        return 400_000
      },
      licence: 10_000,
    }
    const bundles = Array.from({ length: 60 }, () => bundle)
    expect(placeBundles(bundles, new ClusterView(nodes), 'STRICT_SPREAD')).toEqual({ kind: 'WAIT' })
    expect(looks).toBeLessThan(2_500_000) // a million for each of two searches
  })

  test('as many bundles as nodes are placed, however many they are', () => {
    const nodes = Array.from({ length: 1_200 }, (_, index) => aNode(`n${String(index)}`, 1))
    const bundles = nodes.map(() => 1)
    expect(new Set(nodeIdsOf(plan(bundles, 'STRICT_SPREAD', nodes))).size).toBe(1_200)
  })

  test('a plan never asks more of a node than it has free', () => {
    const strategies = fc.constantFrom<BundleStrategy>(
      'PACK',
      'SPREAD',
      'STRICT_PACK',
      'STRICT_SPREAD',
    )
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { maxLength: 6 }),
        fc.array(fc.nat(8), { minLength: 1, maxLength: 5 }),
        strategies,
        (bundles, sizes, strategy) => {
          const nodes = sizes.map((size, index) => aNode(`n${String(index)}`, 8, size))
          const placed = plan(bundles, strategy, nodes)
          if (placed.kind !== 'PLACE') return
          expect(placed.nodeIds).toHaveLength(bundles.length)
          for (const node of nodes) {
            const there = bundles.filter((_, index) => placed.nodeIds[index] === node.nodeId)
            expect(fits(there.map(cpus).reduce(addResources, NO_RESOURCES), node.free)).toBe(true)
          }
        },
      ),
    )
  })
})

function nodeIdsOf(placed: ReturnType<typeof placeBundles>): readonly string[] {
  return placed.kind === 'PLACE' ? placed.nodeIds : []
}
