// Where a demand goes: feasible, available, spread, by affinity and by label.
import { describe, expect, test } from 'vitest'
import { resourceSet, unitsPerOne, type ResourceSet } from '../../../runtime/common/resources.ts'
import { ClusterView, type NodeView } from '../../../runtime/scheduling/cluster-view.ts'
import {
  place,
  type Demand,
  type Placement,
  type Strategy,
} from '../../../runtime/scheduling/place.ts'

type Amounts = Readonly<Record<string, number>>

const units = (amounts: Amounts): ResourceSet =>
  resourceSet(
    Object.fromEntries(Object.entries(amounts).map(([name, n]) => [name, n * unitsPerOne(name)])),
  )

interface TestNode extends NodeView {
  readonly preferred?: boolean
  readonly isHolder?: boolean
}

function aNode(
  nodeId: string,
  totals: Amounts,
  changes: Partial<TestNode> & { used?: Amounts } = {},
): TestNode {
  const { used = {}, ...rest } = changes
  const free = Object.fromEntries(
    Object.entries(totals).map(([name, n]) => [name, n - (used[name] ?? 0)]),
  )
  return { nodeId, totals: units(totals), free: units(free), labels: {}, ...rest }
}

const demand = (amounts: Amounts, labelSelectors: Demand['labelSelectors'] = []): Demand => ({
  resources: units(amounts),
  labelSelectors,
})

const first = { next: () => 0 }
const last = { next: () => 0.999 }
const DEFAULT: Strategy = { kind: 'DEFAULT' }

function placed(
  wanted: Demand,
  nodes: readonly TestNode[],
  strategy = DEFAULT,
  random = first,
): Placement {
  const preferredId = nodes.find(({ preferred }) => preferred === true)?.nodeId
  const holder = nodes.find(({ isHolder }) => isHolder === true)?.nodeId
  return place({ ...wanted, holder }, new ClusterView(nodes, preferredId), strategy, random)
}

function chosen(
  wanted: Demand,
  nodes: readonly TestNode[],
  strategy = DEFAULT,
  random = first,
): string {
  const placement = placed(wanted, nodes, strategy, random)
  if (placement.kind !== 'PLACE' && placement.kind !== 'WAIT') return placement.kind
  return `${placement.kind} ${placement.node.nodeId}`
}

describe('DEFAULT', () => {
  test('nodes below half use count as equal: the preferred one wins', () => {
    const nodes = [
      aNode('a', { CPU: 10 }),
      aNode('b', { CPU: 10 }, { used: { CPU: 4 }, preferred: true }),
    ]
    expect(chosen(demand({ CPU: 1 }), nodes)).toBe('PLACE b')
  })

  test('above half use, the preferred one loses to a less used one', () => {
    const nodes = [
      aNode('a', { CPU: 10 }, { used: { CPU: 6 } }),
      aNode('b', { CPU: 10 }, { used: { CPU: 7 }, preferred: true }),
    ]
    expect(chosen(demand({ CPU: 1 }), nodes)).toBe('PLACE a')
  })

  test('one of the best fifth is drawn', () => {
    const nodes = Array.from({ length: 10 }, (_, i) => aNode(`n${String(i)}`, { CPU: 4 }))
    expect(chosen(demand({ CPU: 1 }), nodes, DEFAULT, first)).toBe('PLACE n0')
    expect(chosen(demand({ CPU: 1 }), nodes, DEFAULT, last)).toBe('PLACE n1')
  })

  test('of the two that are drawn, the less used one is asked', () => {
    const nodes = Array.from({ length: 10 }, (_, i) =>
      aNode(`n${String(i)}`, { CPU: 10 }, { used: { CPU: i === 0 ? 4 : 1 } }),
    )
    const draws = [0, 0.999]
    const both = { next: () => draws.shift() ?? 0 }
    expect(chosen(demand({ CPU: 1 }), nodes, DEFAULT, both)).toBe('PLACE n1')
  })

  test('available nodes come before feasible ones that are busy', () => {
    const nodes = [
      aNode('a', { CPU: 2 }, { used: { CPU: 2 }, preferred: true }),
      aNode('b', { CPU: 2 }, { used: { CPU: 1 } }),
    ]
    expect(chosen(demand({ CPU: 1 }), nodes)).toBe('PLACE b')
    expect(chosen(demand({ CPU: 2 }), nodes)).toBe('WAIT b')
  })

  test('who holds the large arguments is taken first, as long as it has room', () => {
    const nodes = [
      aNode('a', { CPU: 3 }, { preferred: true }),
      aNode('b', { CPU: 3 }, { used: { CPU: 2 }, isHolder: true }),
    ]
    expect(chosen(demand({ CPU: 1 }), nodes)).toBe('PLACE b')
    expect(chosen(demand({ CPU: 2 }), nodes)).toBe('PLACE a')
    expect(chosen(demand({ CPU: 1 }), nodes, { kind: 'SPREAD' })).toBe('PLACE a')
  })

  test('a demand without GPU goes to nodes without GPU, while there are any', () => {
    const gpu = aNode('a', { CPU: 8, GPU: 1 }, { preferred: true })
    const plain = aNode('b', { CPU: 8 }, { used: { CPU: 7 } })
    expect(chosen(demand({ CPU: 1 }), [gpu, plain])).toBe('PLACE b')
    expect(chosen(demand({ CPU: 2 }), [gpu, plain])).toBe('PLACE a')
    expect(chosen(demand({ GPU: 1 }), [gpu, plain])).toBe('PLACE a')
  })
})

describe('slow nodes', () => {
  const slow = aNode('a', { CPU: 2 }, { isSlow: true, isHolder: true })
  const busy = aNode('b', { CPU: 1 }, { used: { CPU: 1 } })
  const gpu = aNode('c', { CPU: 1, GPU: 1 })
  const SPREAD: Strategy = { kind: 'SPREAD' }

  test.each([DEFAULT, SPREAD])('come after all others, free or busy: %o', (strategy) => {
    expect(chosen(demand({ CPU: 1 }), [slow, gpu], strategy)).toBe('PLACE c')
    expect(chosen(demand({ CPU: 1 }), [slow, busy], strategy)).toBe('WAIT b')
  })

  test.each([DEFAULT, SPREAD])(
    'are taken where no other can hold it, or when it is time: %o',
    (at) => {
      expect(chosen(demand({ CPU: 2 }), [slow, busy], at)).toBe('PLACE a')
      expect(chosen({ ...demand({ CPU: 1 }), mayBeSlow: true }, [slow, busy], at)).toBe('PLACE a')
      expect(chosen({ ...demand({ CPU: 1 }), mayBeSlow: true }, [slow, gpu], at)).toBe('PLACE c')
    },
  )

  test('are not avoided by what is bound to them', () => {
    const on: Strategy = { kind: 'NODE_AFFINITY', nodeId: 'a', soft: true }
    expect(chosen(demand({ CPU: 1 }), [slow, gpu], on)).toBe('PLACE a')
  })
})

describe('SPREAD', () => {
  test('takes the least used node, whoever is preferred', () => {
    const nodes = [
      aNode('a', { CPU: 10 }, { used: { CPU: 2 }, preferred: true }),
      aNode('b', { CPU: 10 }, { used: { CPU: 1 } }),
    ]
    expect(chosen(demand({ CPU: 1 }), nodes, { kind: 'SPREAD' })).toBe('PLACE b')
  })
})

describe('NODE_AFFINITY', () => {
  const nodes = [aNode('a', { CPU: 2 }), aNode('b', { CPU: 2 }, { used: { CPU: 2 } })]
  const on = (nodeId: string, soft = false): Strategy => ({ kind: 'NODE_AFFINITY', nodeId, soft })

  test('only there: it waits for a busy node, soft or not', () => {
    expect(chosen(demand({ CPU: 1 }), nodes, on('b'))).toBe('WAIT b')
    expect(chosen(demand({ CPU: 1 }), nodes, on('b', true))).toBe('WAIT b')
  })

  test('a node that is gone or too small: unschedulable, soft goes elsewhere', () => {
    expect(chosen(demand({ CPU: 1 }), nodes, on('z'))).toBe('UNSCHEDULABLE')
    expect(chosen(demand({ CPU: 9 }), nodes, on('a'))).toBe('UNSCHEDULABLE')
    expect(chosen(demand({ CPU: 1 }), nodes, on('z', true))).toBe('PLACE a')
  })
})

describe('labels', () => {
  const nodes = [
    aNode('a', { CPU: 1 }, { labels: { zone: 'x', tier: 'hot' } }),
    aNode('b', { CPU: 1 }, { labels: { zone: 'y' } }),
  ]
  const cases: readonly [selector: Record<string, string>, node: string][] = [
    [{ zone: 'x' }, 'PLACE a'],
    [{ zone: '!x' }, 'PLACE b'],
    [{ zone: 'in(y, z)' }, 'PLACE b'],
    [{ zone: '!in(x,z)' }, 'PLACE b'],
    [{ tier: 'hot', zone: 'x' }, 'PLACE a'],
    [{ tier: '!hot' }, 'PLACE b'],
    [{ tier: 'hot', zone: 'y' }, 'INFEASIBLE'],
    [{ constructor: '!x' }, 'PLACE a'],
  ]
  for (const [selector, node] of cases) {
    test(`${JSON.stringify(selector)} → ${node}`, () => {
      expect(chosen(demand({ CPU: 1 }, [selector]), nodes)).toBe(node)
    })
  }

  test('fallbacks are tried in order, and an available fallback beats waiting for the first', () => {
    const busy = [
      aNode('a', { CPU: 1 }, { labels: { zone: 'x' }, used: { CPU: 1 } }),
      ...nodes.slice(1),
    ]
    expect(chosen(demand({ CPU: 1 }, [{ zone: 'x' }, { zone: 'y' }]), busy)).toBe('PLACE b')
    expect(chosen(demand({ CPU: 1 }, [{ zone: 'x' }, { zone: 'z' }]), busy)).toBe('WAIT a')
  })
})

describe('infeasible', () => {
  test('names what the nearest nodes lack, the nearest first', () => {
    const nodes = [aNode('a', { CPU: 2 }), aNode('b', { CPU: 64, GPU: 1 })]
    expect(placed(demand({ CPU: 8, GPU: 4 }), nodes)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'needs GPU: 4, node b has 1; needs CPU: 8, node a has 2, needs GPU: 4, node a has 0',
    })
  })

  test('a thousand nodes that lack the same are one miss, and three are told at most', () => {
    const nodes = Array.from({ length: 1000 }, (_, i) =>
      aNode(`n${String(i).padStart(4, '0')}`, { CPU: 1 + (i % 5) }),
    )
    const placement = placed(demand({ CPU: 8 }), nodes)
    expect(placement).toEqual({
      kind: 'INFEASIBLE',
      nearest: [5, 4, 3]
        .map((cpus) => `needs CPU: 8, node n000${String(cpus - 1)} and 199 more have ${cpus}`)
        .join('; '),
    })
  })

  test('of nodes that are alike, who asks is the one that is named', () => {
    const nodes = [
      aNode('a', { CPU: 2 }),
      aNode('b', { CPU: 2 }, { preferred: true }),
      aNode('c', { CPU: 1 }),
    ]
    expect(placed(demand({ CPU: 8 }), nodes)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'needs CPU: 8, this node and 1 more have 2; needs CPU: 8, node c has 1',
    })
  })

  test('of nodes with the labels, when there are some that are too small', () => {
    const nodes = [
      aNode('a', { CPU: 2 }, { labels: { zone: 'x' } }),
      aNode('b', { CPU: 64 }, { labels: { zone: 'y' } }),
    ]
    expect(placed(demand({ CPU: 8 }, [{ zone: 'x' }]), nodes)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'needs CPU: 8, node a has 2',
    })
    expect(placed(demand({ CPU: 8 }, [{ zone: 'z' }]), nodes)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'no node has the labels {"zone":"z"}',
    })
  })

  test('shows memory in bytes that one can read', () => {
    const nodes = [aNode('a', { memory: 2 ** 30 }, { preferred: true })]
    expect(placed(demand({ memory: 2 ** 31 }), nodes)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'needs memory: 2 GiB, this node has 1 GiB',
    })
  })

  test('without any node says so', () => {
    expect(placed(demand({ CPU: 1 }), [])).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'there is no node',
    })
  })
})
