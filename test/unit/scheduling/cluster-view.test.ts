// What a node believes of another that it has asked for something.
import { describe, expect, test } from 'vitest'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { place } from '../../../runtime/scheduling/place.ts'

const LEASE = { CPU: 10_000 }

function aView(): ClusterView {
  const all = { CPU: 640_000 }
  return new ClusterView([{ nodeId: 'a', totals: all, free: all, labels: {} }])
}

const freeOf = (view: ClusterView): number => (view.get('a')?.free['CPU'] ?? NaN) / 10_000
const load = (version: number, cpus: number) => ({
  ...{ nodeId: 'a', epoch: 1, version },
  free: { CPU: cpus * 10_000 },
})

describe('CV5: what was asked of a node and is not answered yet', () => {
  test('counts as taken, whatever the node says meanwhile', () => {
    const view = aView()
    view.take('a', LEASE, 5)
    view.ask('a', LEASE, 5)
    view.learn(load(1, 64))
    expect(freeOf(view)).toBe(59)
    view.take('a', LEASE, 3)
    view.ask('a', LEASE, 3)
    view.answered('a', LEASE, 5)
    view.learn(load(2, 59))
    expect(freeOf(view)).toBe(56)
    view.answered('a', LEASE, 3)
    view.learn(load(3, 56))
    expect(freeOf(view)).toBe(56)
  })

  test('is forgotten with the node', () => {
    const view = aView()
    view.ask('a', LEASE, 5)
    const node = view.get('a')
    view.delete('a')
    if (node !== undefined) view.set(node)
    view.answered('a', LEASE, 5)
    view.learn(load(1, 64))
    expect(freeOf(view)).toBe(64)
  })
})

test.each(['SPREAD', 'DEFAULT'] as const)(
  'CV4 what asks for nothing is not placed on a node that is set aside either: %s',
  (kind) => {
    const all = { CPU: 10_000 }
    const node = (nodeId: string, free = {}) => ({ nodeId, totals: all, free, labels: {} })
    const view = new ClusterView([node('a', all), node('own')], 'own')
    const chosen = (): unknown =>
      place({ resources: {}, labelSelectors: [] }, view, { kind }, { next: () => 0 })
    expect(chosen()).toMatchObject({ kind: 'PLACE', node: { nodeId: 'a' } })
    view.setAside('a')
    view.learn({ nodeId: 'a', epoch: 1, version: 1, free: all })
    expect(chosen()).toMatchObject({ kind: 'PLACE', node: { nodeId: 'own' } })
    view.letIn('a')
    expect(chosen()).toMatchObject({ kind: 'PLACE', node: { nodeId: 'a' } })
  },
)

test('CV6 a node that says it is slow is marked, unless more than half do; the own one never', () => {
  const all = { CPU: 10_000 }
  const node = (nodeId: string) => ({ nodeId, totals: all, free: all, labels: {} })
  const view = new ClusterView(['own', 'a', 'b'].map(node), 'own')
  const marked = (): string[] =>
    [...view.nodes()].flatMap(({ nodeId, isSlow }) => (isSlow === true ? [nodeId] : []))
  const says = (nodeId: string, version: number, isSlow: boolean): boolean =>
    view.learn({ nodeId, epoch: 1, version, free: all, isSlow })
  says('a', 1, true)
  expect(marked()).toEqual(['a'])
  view.refresh(node('a'))
  expect(marked()).toEqual(['a'])
  view.saidSlow('own', true)
  expect([marked(), view.isAvoided('own')]).toEqual([[], false])
  view.set(node('c')) // two of four
  expect([marked(), view.isAvoided('own')]).toEqual([['a'], true])
  view.delete('c')
  expect(marked()).toEqual([])
  view.saidSlow('own', false)
  says('a', 1, false) // old news
  expect(marked()).toEqual(['a'])
  says('a', 2, false)
  expect([marked(), view.hasSlow]).toEqual([[], false])
})

test('CV7 SPREAD goes round nodes that are used alike, whatever is told of them meanwhile', () => {
  const all = { CPU: 20_000 }
  const node = (nodeId: string, free = all) => ({ nodeId, totals: all, free, labels: {} })
  const view = new ClusterView(
    ['own', 'a', 'b'].map((id) => node(id)),
    'own',
  )
  const next = (resources = {}): string => {
    const demand = { resources, labelSelectors: [] }
    const placement = place(demand, view, { kind: 'SPREAD' }, { next: () => 0 })
    if (placement.kind !== 'PLACE') return placement.kind
    view.tookTurn(placement.node.nodeId)
    return placement.node.nodeId
  }
  expect([next(), next(), next({ CPU: 10_000 })]).toEqual(['a', 'b', 'own'])
  view.refresh(node('a'))
  view.learn({ nodeId: 'b', epoch: 1, version: 1, free: all })
  view.set(node('own'))
  view.setAside('b')
  expect([next(), next()]).toEqual(['a', 'own'])
  view.letIn('b')
  view.set(node('c')) // it has had none
  expect([next(), next(), next(), next()]).toEqual(['c', 'b', 'a', 'own'])
  view.take('c', LEASE) // the less used come first
  expect([next(), next(), next()]).toEqual(['b', 'a', 'own'])
})
