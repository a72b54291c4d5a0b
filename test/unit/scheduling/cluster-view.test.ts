// What a node believes of another that it has asked for something.
import { describe, expect, test } from 'vitest'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'

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
