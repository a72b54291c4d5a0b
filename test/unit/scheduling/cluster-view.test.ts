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
