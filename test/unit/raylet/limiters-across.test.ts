// Limiters over nodes: never more tokens out than they allow, all tasks run, whatever is late, lost
// or repeated, and whoever joins or dies. Real brains.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { seededRandom } from '../../support/seeded.ts'
import { whyTokens } from '../../../runtime/raylet/limiters/why-tokens.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { Brain, hexNodeId } from './brain.ts'
import { LimitedWorld, type LimitedPlan } from './limited-world.ts'

const CALM: LimitedPlan = {
  ...{ nodeCount: 3, ids: 0, clients: [0, 1, 2].map((node) => ({ node, tasks: 20, atMs: 0 })) },
  ...{ names: ['api'], concurrency: 2, perSecond: undefined, runsMs: 100 },
  ...{ lossShare: 0, twiceShare: 0, lateMs: 5, dies: undefined, joinsAtMs: 0 },
  ...{ cut: undefined, unusedShare: 0 },
}

function worldOf(changes: Partial<LimitedPlan> = {}, seed = 1): LimitedWorld {
  const random = seededRandom(seed)
  return new LimitedWorld({ ...CALM, ...changes }, () => random.next())
}

function startsOf(world: LimitedWorld, name = 'api'): readonly number[] {
  return world.starts.get(name) ?? []
}

/** The most that began within a second. */
function inASecond(starts: readonly number[]): number {
  return Math.max(0, ...starts.map((at) => starts.filter((s) => s >= at && s < at + 1000).length))
}

describe('limiters over nodes', () => {
  test('TB1: no more tokens are out on all nodes than may run at once, and all tasks run', () => {
    const world = worldOf()
    world.runFor(10_000)
    expect(world.exceeded).toEqual([])
    expect(startsOf(world)).toHaveLength(60)
    expect(world.waiting()).toEqual([])
  })

  test('TB2: no more start per second than the rate and its burst, over all nodes', () => {
    const world = worldOf({ concurrency: undefined, perSecond: 10, lateMs: 0 })
    world.runFor(8000)
    expect(startsOf(world)).toHaveLength(60)
    expect(inASecond(startsOf(world))).toBeLessThanOrEqual(11)
    expect(startsOf(world).at(-1)).toBeLessThan(6500)
  })

  test('where limiters are used by nobody, nothing is said', () => {
    const world = worldOf({ clients: [] })
    world.runFor(20_000)
    expect(world.messageCount).toBe(0)
  })

  test('a limiter whose tasks are over costs no message, however long its users live', () => {
    const world = worldOf({ clients: [{ node: 1, tasks: 1, atMs: 0 }] })
    world.runFor(10_000)
    const before = world.messageCount
    world.runFor(60_000)
    expect(world.waiting()).toEqual([])
    expect(world.messageCount).toBe(before)
  })

  test.each([0, 1, 2])('Q1: what node %i held comes back when it dies', (node) => {
    const world = worldOf({ runsMs: 2000, dies: { node, atMs: 1000 } })
    world.runFor(90_000)
    expect(world.exceeded).toEqual([])
    expect(world.waiting()).toEqual([])
  })

  test('LK3: a keeper that has just begun allows no second burst', () => {
    const plan = { perSecond: 1, concurrency: undefined, runsMs: 0, lateMs: 0 }
    const clients = [0, 1, 2].map((node) => ({ node, tasks: 3, atMs: 0 }))
    const keeper = worldOf(plan).keeperOf(0)
    const world = worldOf({ ...plan, clients, dies: { node: keeper, atMs: 1500 } })
    world.runFor(20_000)
    expect(inASecond(startsOf(world))).toBeLessThanOrEqual(1)
    expect(world.waiting()).toEqual([])
  })

  test('LK1: who joins may have had another keeper: nothing is granted before it has told', () => {
    const keeper = worldOf().keeperOf(0)
    const [alone, other] = [(keeper + 1) % 3, (keeper + 2) % 3]
    const clients = [
      { node: other, tasks: 1, atMs: 1000 },
      { node: alone, tasks: 2, atMs: 3000 },
      { node: keeper, tasks: 2, atMs: 3200 },
    ]
    const world = worldOf({ clients })
    world.knows(keeper, [other])
    world.knows(other, [keeper])
    world.knows(alone, [])
    world.runFor(3100)
    expect(startsOf(world)).toHaveLength(3)
    world.knows(keeper, [alone, other])
    world.runFor(1000)
    expect(startsOf(world)).toHaveLength(3)
    world.knows(alone, [keeper, other])
    world.runFor(2000)
    expect(startsOf(world)).toHaveLength(5)
    expect(world.exceeded).toEqual([])
  })

  test('LK1: who has not arrived may not know another keeper: it grants nothing, and asks nobody', () => {
    const view = new ClusterView([], hexNodeId())
    const brain = new Brain({ cluster: { view, random: seededRandom(1), shunned: new Map() } })
    const client = 'p' as WorkerId
    const hello = { role: 'worker', pid: 1, address: '@', job: undefined } as const
    const take = { name: 'api', count: 1, concurrency: 1, perSecond: undefined }
    const alone = { nodes: [], suspected: new Set<string>(), members: new Map() }
    brain.send({ kind: 'confirmed', untilMs: Infinity })
    brain.send({ kind: 'nodes', ...alone, isArriving: true })
    brain.send({ kind: 'clientConnected', client, ...hello })
    expect(brain.send({ kind: 'takeTokens', client, ...take })).toEqual([])
    expect(brain.state.cluster?.limiters).toMatchObject({ keeper: undefined, kept: undefined })
    const asked = brain.send({ kind: 'nodes', ...alone })
    expect(asked).toMatchObject([{ kind: 'askTokens', nodeId: hexNodeId(), type: 'askTokens' }])
  })

  test('why a task waits says which node has not told what it holds, and since when', () => {
    const keeper = worldOf().keeperOf(0)
    const [alone, other] = [(keeper + 1) % 3, (keeper + 2) % 3]
    const world = worldOf({ clients: [{ node: other, tasks: 9, atMs: 2000 }] })
    world.knows(keeper, [other])
    world.knows(alone, [])
    world.runFor(1000)
    world.knows(keeper, [alone, other])
    world.runFor(4000)
    const why =
      'its limiter allows 2 at once over all nodes, and none is given out until node ' +
      `${world.idOf(alone)} has said what it holds, or is dead: asked for 3 s`
    expect(world.why()).toMatchObject([{ kind: 'limiter', name: 'api', count: 9, why }])
  })

  test('why a task waits says who has the tokens where that does not answer', () => {
    const keeper = worldOf().keeperOf(0)
    const [silent, other] = [(keeper + 1) % 3, (keeper + 2) % 3]
    const clients = [
      { node: silent, tasks: 2, atMs: 0 },
      { node: other, tasks: 5, atMs: 100 },
    ]
    const world = worldOf({ clients, runsMs: 1e9 })
    world.runFor(1000)
    const allows = 'its limiter allows 2 at once over all nodes'
    const out = { kind: 'limiter', count: 5, why: `${allows}, of which 2 are out` }
    expect(world.why()).toMatchObject([out])
    world.suspects(keeper, [silent])
    const held = `${allows}, of which 2 are out, 2 of them at node ${world.idOf(silent)}, which does`
    expect(world.why()).toMatchObject([{ why: expect.stringContaining(held) as unknown }])
  })

  test('why a task waits says that the node that gives tokens out does not answer', () => {
    const view = new ClusterView([], hexNodeId())
    const shunned = new Map([['aa', Infinity]])
    const brain = new Brain({ cluster: { view, random: seededRandom(1), shunned } })
    const { cluster } = brain.state
    if (cluster === undefined) throw new Error('it is one of several')
    const why = (): string => whyTokens(cluster, { concurrency: 2, perSecond: Infinity })
    expect(why()).toBe('its limiter allows 2 at once over all nodes')
    cluster.limiters.keeper = 'aa'
    expect(why()).toContain('and node aa, which gives them out, does not answer')
  })

  test('Q2: other numbers for the same name are refused, on whatever node they are given', () => {
    const world = worldOf({ clients: [{ node: 0, tasks: 1, atMs: 0 }] })
    world.runFor(1000)
    const client = 'other' as WorkerId
    const asked = { client, name: 'api', count: 1, perSecond: undefined }
    const take = { kind: 'takeTokens', ...asked } as const
    const hello = { role: 'driver', pid: 1, address: '@', job: undefined } as const
    world.send(1, { kind: 'clientConnected', client, ...hello })
    world.send(1, { ...take, concurrency: 3 })
    world.runFor(1000)
    expect(world.refusedCount).toBe(1)
    world.send(1, { ...take, concurrency: 2 })
    world.runFor(1000)
    expect(world.refusedCount).toBe(1)
    expect(startsOf(world)).toHaveLength(2)
    world.send(0, { kind: 'clientClosed', client: 'p0' as WorkerId })
    world.send(1, { kind: 'clientClosed', client })
    world.runFor(3000)
    const next = 'next' as WorkerId
    world.send(2, { kind: 'clientConnected', client: next, ...hello })
    world.send(2, { ...take, client: next, concurrency: 1 })
    world.runFor(1000)
    expect(world.refusedCount).toBe(1)
  })

  test('LK5: what comes back unused is put back, also when word of it is lost', () => {
    const seldom = { perSecond: 0.01, concurrency: 1, runsMs: 1000, lateMs: 0 }
    const keeper = worldOf(seldom).keeperOf(0)
    const node = (keeper + 1) % 3
    const world = worldOf({
      ...{ ...seldom, clients: [{ node, tasks: 1, atMs: 0 }], unusedShare: 1 },
      cut: { from: node, to: keeper, atMs: 100_001, untilMs: 103_000 },
    })
    world.runFor(100_500) // it has the first token of the rate, which comes back unused
    world.unusedShare = 0
    world.runFor(30_000)
    expect(startsOf(world)).toHaveLength(1)
  })

  test('late, lost and repeated messages, one-sided cuts, joins and deaths: never more, all run (property)', () => {
    fc.assert(
      fc.property(plans(), fc.integer(), (plan, seed) => {
        const world = worldOf(plan, seed)
        world.runFor(60_000)
        expect(world.exceeded).toEqual([])
        expect(world.tooSoon).toEqual([])
        expect(world.waiting()).toEqual([])
        expect(world.refusedCount).toBe(0)
      }),
      { seed: 12, numRuns: 300 },
    )
  })
})

function plans(): fc.Arbitrary<Partial<LimitedPlan>> {
  const node = fc.integer({ min: 0, max: 3 })
  const client = fc.record({
    node,
    tasks: fc.integer({ min: 1, max: 8 }),
    atMs: fc.integer({ min: 0, max: 3000 }),
  })
  const cut = fc.record({
    ...{ from: node, to: node },
    ...{ atMs: fc.integer({ min: 0, max: 3000 }), untilMs: fc.integer({ min: 3000, max: 15_000 }) },
  })
  const death = fc.record({ node, atMs: fc.integer({ min: 0, max: 4000 }) })
  return fc.record({
    nodeCount: fc.constant(4),
    ids: fc.integer({ min: 0, max: 20 }),
    clients: fc.array(client, { minLength: 1, maxLength: 6 }),
    names: fc.constantFrom(['a'], ['a', 'b']),
    concurrency: fc.integer({ min: 1, max: 4 }),
    perSecond: fc.constantFrom(undefined, 20),
    runsMs: fc.constantFrom(10, 300),
    lossShare: fc.constantFrom(0, 0.3),
    twiceShare: fc.constantFrom(0, 0.3),
    lateMs: fc.constantFrom(0, 100, 900),
    dies: fc.option(death, { nil: undefined }),
    joinsAtMs: fc.constantFrom(0, 700, 2500),
    cut: fc.option(cut, { nil: undefined }),
    unusedShare: fc.constantFrom(0, 0.4),
  })
}
