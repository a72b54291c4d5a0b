// The index of placement against a look at every node, and bundles against every arrangement.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resourceSet, type ResourceSet } from '../../../runtime/common/resources.ts'
import { ClusterView, type NodeView } from '../../../runtime/scheduling/cluster-view.ts'
import { place, type Strategy } from '../../../runtime/scheduling/place.ts'
import { placeBundles } from '../../../runtime/scheduling/place-bundles.ts'
import { allowed, arrangements } from './reference.ts'

const amounts = (cpu: number, gpu: number): ResourceSet =>
  resourceSet({ CPU: cpu * 10_000, GPU: gpu * 10_000 })

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l']
const nodeOf = (nodeId: string): fc.Arbitrary<NodeView> =>
  fc
    .record({ cpu: fc.nat(8), gpu: fc.nat(2), usedCpu: fc.nat(8), zone: fc.constantFrom('x', 'y') })
    .map(({ cpu, gpu, usedCpu, zone }) => ({
      nodeId,
      totals: amounts(cpu, gpu),
      free: amounts(cpu - usedCpu, gpu),
      labels: { zone },
    }))

type Change =
  | { readonly kind: 'set'; readonly node: NodeView }
  | { readonly kind: 'delete'; readonly nodeId: string }
  | { readonly kind: 'take'; readonly nodeId: string }
  | { readonly kind: 'turn'; readonly nodeId: string }
  | { readonly kind: 'place'; readonly cpu: number; readonly gpu: number; readonly draw: number }

const id = fc.constantFrom(...ids)
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: id.chain(nodeOf).map((node) => ({ kind: 'set' as const, node })) },
  { weight: 1, arbitrary: id.map((nodeId) => ({ kind: 'delete' as const, nodeId })) },
  { weight: 2, arbitrary: id.map((nodeId) => ({ kind: 'take' as const, nodeId })) },
  { weight: 2, arbitrary: id.map((nodeId) => ({ kind: 'turn' as const, nodeId })) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('place' as const),
      cpu: fc.nat(8),
      gpu: fc.nat(2),
      draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
    }),
  },
)

describe('CV1 the index', () => {
  test('chooses what a look at every node allows, whatever changed before', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 60 }),
        fc.boolean(),
        fc.option(id, { nil: undefined }),
        fc.array(fc.record({ zone: fc.constantFrom('x', '!x', 'z') }), { maxLength: 2 }),
        (changes, spread, holder, labelSelectors) => {
          const view = new ClusterView([], 'c')
          const strategy: Strategy = { kind: spread ? 'SPREAD' : 'DEFAULT' }
          for (const each of changes) {
            if (each.kind === 'set') view.set(each.node)
            else if (each.kind === 'delete') view.delete(each.nodeId)
            else if (each.kind === 'take') view.take(each.nodeId, amounts(1, 0))
            else if (each.kind === 'turn') view.tookTurn(each.nodeId)
            else {
              const demand = { resources: amounts(each.cpu, each.gpu), labelSelectors, holder }
              const nodes = [...view.nodes()]
              const right = allowed({ demand, nodes, preferredId: 'c', spread })
              const placement = place(demand, view, strategy, { next: () => each.draw })
              expect(placement.kind).toBe(right.kind)
              if (placement.kind === 'PLACE' || placement.kind === 'WAIT') {
                expect([...right.nodeIds]).toContain(placement.node.nodeId)
                expect(placement.node).toBe(view.get(placement.node.nodeId))
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('CV3 is right also when more shapes are asked for than are kept', () => {
    const view = new ClusterView([
      { nodeId: 'a', totals: amounts(1000, 0), free: amounts(500, 0), labels: {} },
    ])
    for (const round of [0, 1]) {
      for (let cpu = 1; cpu <= 600; cpu += 5) {
        const demand = { resources: amounts(cpu + round, 0), labelSelectors: [] }
        const { kind } = place(demand, view, { kind: 'DEFAULT' }, { next: () => 0 })
        expect(kind).toBe(cpu + round <= 500 ? 'PLACE' : 'WAIT')
      }
    }
  })

  test('an older load of a node never replaces a newer one', () => {
    const view = new ClusterView([
      { nodeId: 'a', totals: amounts(8, 0), free: amounts(8, 0), labels: {} },
    ])
    const load = (epoch: number, version: number, cpu: number) => ({
      nodeId: 'a',
      epoch,
      version,
      free: amounts(cpu, 0),
    })
    expect(view.learn(load(1, 7, 3))).toBe(true)
    expect(view.learn(load(1, 7, 4))).toBe(false)
    expect(view.learn(load(1, 6, 5))).toBe(false)
    expect(view.learn(load(2, 1, 6))).toBe(true)
    expect(view.learn(load(1, 9, 7))).toBe(false)
    expect(view.get('a')?.free).toEqual(amounts(6, 0))
    expect(view.learn({ ...load(3, 1, 1), nodeId: 'unknown' })).toBe(false)
  })
})

describe('bundles', () => {
  const bundle = fc.record({ cpu: fc.nat(4), gpu: fc.nat(1) })
  const strategies = fc.constantFrom('PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD')

  test('are placed whenever there is a way, and only then', () => {
    fc.assert(
      fc.property(
        fc.array(bundle, { minLength: 1, maxLength: 5 }),
        fc.array(bundle, { minLength: 1, maxLength: 4 }),
        strategies,
        (wanted, sizes, strategy) => {
          const bundles = wanted.map(({ cpu, gpu }) => amounts(cpu, gpu))
          const nodes = sizes.map(({ cpu, gpu }, index) => {
            const free = amounts(cpu * 2, gpu)
            return { nodeId: ids[index] ?? '', totals: free, free, labels: {} }
          })
          const plan = placeBundles(bundles, new ClusterView(nodes), strategy)
          const right = arrangements(bundles, nodes, strategy)
          expect(plan.kind).toBe(right === undefined ? 'INFEASIBLE' : 'PLACE')
          if (plan.kind !== 'PLACE' || right === undefined) return
          const count = new Set(plan.nodeIds).size
          if (right.fewest === 1 && strategy === 'PACK') expect(count).toBe(1)
          if (right.most === bundles.length && strategy === 'SPREAD') expect(count).toBe(right.most)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('of a group that is too large to search through wait, and are not called infeasible', () => {
    // 30 nodes of 10, 61 bundles of 4 that need 31: every one of the orders fails.
    const node = { totals: amounts(10, 0), free: amounts(10, 0), labels: {} }
    const nodes = Array.from({ length: 30 }, (_, i) => ({
      ...node,
      nodeId: String(i),
      free: amounts(10 + i / 100, 0), // no twins
      totals: amounts(10 + i / 100, 0),
    }))
    const bundles = Array.from({ length: 61 }, () => amounts(4, 0))
    expect(placeBundles(bundles, new ClusterView(nodes), 'PACK').kind).toBe('WAIT')
  })
})
