// Where leases go when views are stale: every CPU is found within a second, in two hops at most.
import { describe, expect, test } from 'vitest'
import { resourceSet } from '../../../runtime/common/resources.ts'
import { ClusterView, type NodeLoad } from '../../../runtime/scheduling/cluster-view.ts'
import {
  HOPS_MAX,
  routeLease,
  type Route,
  type RoutedRequest,
  type Router,
} from '../../../runtime/scheduling/lease-routing.ts'
import type { Strategy } from '../../../runtime/scheduling/place.ts'
import { seeded } from '../../support/seeded.ts'

const cpus = (count: number) => resourceSet({ CPU: count * 10_000 })
const ONE = { resources: cpus(1), labelSelectors: [] }
const DEFAULT: Strategy = { kind: 'DEFAULT' }

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

/** `self` with so many CPUs free, and what it believes of others. */
function router(self: string, free: Readonly<Record<string, number>>): Router {
  const nodes = Object.entries(free).map(([nodeId, count]) => ({
    nodeId,
    totals: cpus(4),
    free: cpus(count),
    labels: {},
  }))
  const own: NodeLoad = { nodeId: self, epoch: 1, version: 9, free: cpus(free[self] ?? 0) }
  return { view: new ClusterView(nodes, self), random: { next: () => 0 }, own: () => own }
}

const routed = (at: Router, hops: number, strategy: Strategy = DEFAULT): Route =>
  routeLease(at, { demand: ONE, strategy, hops })

describe('one request', () => {
  test('is granted here, forwarded, or waits for anybody', () => {
    expect(routed(router('a', { a: 4, b: 4 }), 0)).toEqual({ kind: 'GRANT' })
    expect(routed(router('a', { a: 0, b: 4 }), 0)).toEqual({
      kind: 'FORWARD',
      nodeId: 'b',
      hops: 1,
    })
    expect(routed(router('a', { a: 0, b: 0 }), 0)).toEqual({ kind: 'WAIT' })
  })

  test('LR1 is granted where it was sent, however free others look', () => {
    expect(routed(router('b', { a: 4, b: 1 }), 1)).toEqual({ kind: 'GRANT' })
  })

  test('LR2 is passed on once more, then refused with the load of who refuses', () => {
    const full = { b: 0, c: 4 }
    expect(routed(router('b', full), 1)).toEqual({ kind: 'FORWARD', nodeId: 'c', hops: 2 })
    const at = router('b', full)
    expect(routed(at, HOPS_MAX)).toEqual({ kind: 'REFUSE', load: at.own() })
    expect(routed(router('b', { b: 0 }), 1).kind).toBe('REFUSE')
  })

  test('LR3 what is forwarded counts as taken', () => {
    const at = router('a', { a: 0, b: 1 })
    expect(routed(at, 0).kind).toBe('FORWARD')
    expect(routed(at, 0).kind).toBe('WAIT')
    at.view.learn({ nodeId: 'b', epoch: 1, version: 2, free: cpus(1) })
    expect(routed(at, 0).kind).toBe('FORWARD')
  })

  test('LR4 waits at the node it is bound to', () => {
    const bound: Strategy = { kind: 'NODE_AFFINITY', nodeId: 'b', soft: false }
    const full = { a: 4, b: 0 }
    expect(routed(router('a', full), 0, bound)).toEqual({ kind: 'FORWARD', nodeId: 'b', hops: 1 })
    expect(routed(router('b', full), 1, bound)).toEqual({ kind: 'WAIT' })
    expect(routed(router('a', { a: 4 }), 0, bound).kind).toBe('UNSCHEDULABLE')
  })

  test('SPREAD that takes nothing goes round, counted where it is placed', () => {
    const at = router('b', { a: 4, b: 4, c: 4 })
    const demand = { resources: {}, labelSelectors: [] }
    const next = (): string => {
      const route = routeLease(at, { demand, strategy: { kind: 'SPREAD' }, hops: 0 })
      return route.kind === 'FORWARD' ? route.nodeId : route.kind
    }
    expect(Array.from({ length: 6 }, next)).toEqual(['a', 'GRANT', 'c', 'a', 'GRANT', 'c'])
  })

  test('that fits nowhere is infeasible, with the near miss', () => {
    const demand = { resources: cpus(9), labelSelectors: [] }
    const request: RoutedRequest = { demand, strategy: DEFAULT, hops: 0 }
    expect(routeLease(router('a', { a: 4 }), request)).toEqual({
      kind: 'INFEASIBLE',
      nearest: 'needs CPU: 9, this node has 4',
    })
  })
})

const NODE_CPUS = 64
const HOP_MS = 2

interface SimulatedNode {
  readonly router: Router
  running: number
  /** Requests of its own drivers. */
  waiting: number
}

interface Message {
  readonly atMs: number
  readonly to: string
  readonly home: string
  readonly hops: number
  /** A refusal on its way home. */
  readonly load?: NodeLoad
}

/** Long tasks; no gossip at all: views know the sizes of the nodes, and what refusals teach. */
class Cluster {
  readonly nodes = new Map<string, SimulatedNode>()
  readonly #messages: Message[] = []
  refusals = 0
  mostHops = 0
  nowMs = 0

  constructor(homes: Readonly<Record<string, number>>, seed: number) {
    const random = { next: seeded(seed) }
    const idle = { totals: cpus(NODE_CPUS), free: cpus(NODE_CPUS), labels: {} }
    for (const nodeId of ids) {
      const view = new ClusterView(
        ids.map((each) => ({ ...idle, nodeId: each })),
        nodeId,
      )
      const own = (): NodeLoad => {
        const running = this.nodes.get(nodeId)?.running ?? 0
        return { nodeId, epoch: 1, version: running + 1, free: cpus(NODE_CPUS - running) }
      }
      this.nodes.set(nodeId, {
        router: { view, random, own },
        running: 0,
        waiting: homes[nodeId] ?? 0,
      })
    }
  }

  get runningCount(): number {
    return [...this.nodes.values()].reduce((sum, { running }) => sum + running, 0)
  }

  run(untilMs: number): void {
    for (const nodeId of ids) this.#submit(nodeId)
    for (let next = this.#messages.shift(); next; next = this.#messages.shift()) {
      this.nowMs = next.atMs
      if (this.nowMs > untilMs || this.runningCount === ids.length * NODE_CPUS) return
      this.#arrive(next)
    }
  }

  /** All that waits there is routed, until nothing more can be. */
  #submit(nodeId: string): void {
    const node = this.nodes.get(nodeId)
    while (node !== undefined && node.waiting > 0) {
      node.waiting -= 1
      if (this.#route(nodeId, nodeId, 0) === 'WAIT') {
        node.waiting += 1
        return
      }
    }
  }

  #arrive({ to, home, hops, load }: Message): void {
    if (load === undefined) {
      this.#route(to, home, hops)
      return
    }
    const node = this.nodes.get(to)
    if (node === undefined) return
    node.router.view.learn(load)
    node.waiting += 1
    this.#submit(to)
  }

  #route(at: string, home: string, hops: number): Route['kind'] {
    const node = this.nodes.get(at)
    if (node === undefined) throw new Error(`no node ${at}`)
    const route = routeLease(node.router, { demand: ONE, strategy: DEFAULT, hops })
    this.mostHops = Math.max(this.mostHops, hops)
    const atMs = this.nowMs + HOP_MS
    if (route.kind === 'GRANT') {
      node.running += 1
      expect(node.running).toBeLessThanOrEqual(NODE_CPUS)
    } else if (route.kind === 'FORWARD') {
      this.#messages.push({ atMs, to: route.nodeId, home, hops: route.hops })
    } else if (route.kind === 'REFUSE') {
      this.refusals += 1
      this.#messages.push({ atMs, to: home, home, hops: 0, load: route.load })
    }
    return route.kind
  }
}

describe('10,000 tasks over 8 nodes of 64 CPUs', () => {
  test('of one driver fill every CPU within a second, each in one hop', () => {
    const cluster = new Cluster({ a: 10_000 }, 1)
    cluster.run(1_000)
    expect(cluster.runningCount).toBe(512)
    expect(cluster.nowMs).toBeLessThanOrEqual(1_000)
    expect([cluster.refusals, cluster.mostHops]).toEqual([0, 1])
  })

  test('of eight drivers that know nothing of each other do so too', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const cluster = new Cluster(Object.fromEntries(ids.map((nodeId) => [nodeId, 1_250])), seed)
      cluster.run(1_000)
      expect(cluster.runningCount).toBe(512)
      expect(cluster.nowMs).toBeLessThanOrEqual(1_000)
      expect(cluster.mostHops).toBeLessThanOrEqual(HOPS_MAX)
    }
  })

  test('of three drivers on nodes that are full after a moment', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const cluster = new Cluster({ a: 4_000, b: 3_000, c: 3_000 }, seed)
      cluster.run(1_000)
      expect(cluster.runningCount).toBe(512)
      expect(cluster.nowMs).toBeLessThanOrEqual(1_000)
    }
  })
})
