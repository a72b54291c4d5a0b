// Tokens of limiters: first come, first served, and back when their holder dies.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITERS_MAX } from '../../../runtime/common/limits.ts'
import { addLimiter, grant, readyByMs } from '../../../runtime/raylet/limiters/token-bucket.ts'
import { whyRows } from '../../../runtime/raylet/why-rows.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aBusyNode, Brain } from './brain.ts'

interface Limits {
  readonly concurrency?: number
  readonly perSecond?: number
}

/** Tokens granted by asking, by client. */
function take(brain: Brain, client: string, count: number, limits: Limits): Record<string, number> {
  return granted(
    brain.send({
      kind: 'takeTokens',
      client: brain.id(client),
      name: 'api',
      count,
      concurrency: undefined,
      perSecond: undefined,
      ...limits,
    }),
  )
}

function giveBack(
  brain: Brain,
  client: string,
  count: number,
  unused = false,
): Record<string, number> {
  const effects = brain.send({
    kind: 'returnTokens',
    client: brain.id(client),
    name: 'api',
    count,
    unused,
  })
  return granted(effects)
}

function granted(effects: ReturnType<Brain['send']>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const effect of effects) {
    if (effect.kind !== 'notify' || effect.type !== 'tokensGranted') continue
    counts[effect.to] = (counts[effect.to] ?? 0) + effect.message.count
  }
  return counts
}

describe('limiters', () => {
  test('TB2: the next token is there when it was said to be, however the sums are rounded', () => {
    const rate = fc.double({ min: 0.1, max: 40, noNaN: true })
    const atMs = fc.double({ min: 0, max: 1e7, noNaN: true })
    fc.assert(
      fc.property(rate, atMs, (perSecond, nowMs) => {
        const spec = { name: 'api', concurrency: Infinity, perSecond }
        const { limiter } = addLimiter<string>(new Map(), spec, nowMs)
        limiter.wanted.set('driver1', 2)
        grant(limiter, nowMs)
        const readyMs = readyByMs(limiter, nowMs) ?? Infinity
        expect(grant(limiter, readyMs)).toEqual(new Map([['driver1', 1]]))
      }),
      { seed: 1, numRuns: 1000 },
    )
  })

  test('TB1: no more tokens are out than may run at once', () => {
    const brain = aBusyNode()
    expect(take(brain, 'driver1', 10, { concurrency: 3 })).toEqual({ driver1: 3 })
    expect(giveBack(brain, 'driver1', 2)).toEqual({ driver1: 2 })
    expect(giveBack(brain, 'driver1', 1)).toEqual({ driver1: 1 })
  })

  test('owners share evenly, whoever came first', () => {
    const brain = aBusyNode()
    brain.driver('driver2', 'job2')
    expect(take(brain, 'driver1', 100, { concurrency: 4 })).toEqual({ driver1: 4 })
    expect(take(brain, 'driver2', 100, { concurrency: 4 })).toEqual({})
    expect(giveBack(brain, 'driver1', 4)).toEqual({ driver1: 2, driver2: 2 })
  })

  test('TB2: no more start per second than the rate and its burst', () => {
    const brain = aBusyNode()
    let count = take(brain, 'driver1', 10_000, { perSecond: 100 })['driver1'] ?? 0
    while (brain.nowMs < 1000) {
      brain.nowMs = Math.max(brain.nowMs + 0.01, brain.state.wakeAtMs)
      count += granted(brain.send({ kind: 'tick' }))['driver1'] ?? 0
    }
    expect(count).toBeGreaterThanOrEqual(99)
    expect(count).toBeLessThanOrEqual(103)
  })

  test('a slow rate starts one at once and the next when its time has come', () => {
    const brain = aBusyNode()
    expect(take(brain, 'driver1', 2, { perSecond: 0.5 })).toEqual({ driver1: 1 })
    expect(granted(brain.tick(1_999))).toEqual({})
    expect(granted(brain.tick(2))).toEqual({ driver1: 1 })
  })

  test('a token that started nothing counts for no start', () => {
    const brain = aBusyNode()
    expect(take(brain, 'driver1', 1, { perSecond: 1 })).toEqual({ driver1: 1 })
    giveBack(brain, 'driver1', 1, true)
    expect(take(brain, 'driver1', 1, { perSecond: 1 })).toEqual({ driver1: 1 })
  })

  test('Q1: what an owner that is gone held comes back once no task of it can run any more', () => {
    const brain = aBusyNode()
    brain.driver('driver2', 'job2')
    take(brain, 'driver1', 2, { concurrency: 2 })
    take(brain, 'driver2', 2, { concurrency: 2 })
    expect(granted(brain.close('driver1'))).toEqual({})
    expect(granted(brain.tick(1_500))).toEqual({})
    expect(granted(brain.tick(500))).toEqual({ driver2: 2 })
  })

  test('Q1: what an owner that is gone had only asked for is asked for no more', () => {
    const brain = aBusyNode()
    brain.driver('driver2', 'job2')
    take(brain, 'driver2', 1, { concurrency: 1 })
    take(brain, 'driver1', 1, { concurrency: 1 })
    brain.close('driver1')
    expect(giveBack(brain, 'driver2', 1)).toEqual({})
    expect(take(brain, 'driver2', 1, { concurrency: 1 })).toEqual({ driver2: 1 })
  })

  test('nobody gives back more than it holds', () => {
    const brain = aBusyNode()
    take(brain, 'driver1', 1, { concurrency: 1 })
    giveBack(brain, 'w1', 5)
    giveBack(brain, 'driver1', 5)
    expect(take(brain, 'driver1', 9, { concurrency: 1 })).toEqual({ driver1: 1 })
  })

  test('Q2: other numbers for the same name are refused while one of its users lives', () => {
    const brain = aBusyNode()
    brain.driver('driver2', 'job2')
    take(brain, 'driver1', 1, { concurrency: 1 })
    giveBack(brain, 'driver1', 1)
    const other = { kind: 'takeTokens', name: 'api', count: 1, perSecond: undefined } as const
    const effects = brain.send({ ...other, client: brain.id('driver2'), concurrency: 2 })
    expect(effects).toMatchObject([
      { kind: 'notify', to: 'driver2', type: 'tokensRefused', message: { name: 'api' } },
    ])
    brain.close('driver1')
    brain.tick(1)
    expect(take(brain, 'driver2', 3, { concurrency: 2 })).toEqual({ driver2: 2 })
  })

  test('a limiter whose users are gone is forgotten', () => {
    const brain = aBusyNode()
    take(brain, 'driver1', 1, { concurrency: 1 })
    brain.close('driver1')
    brain.tick(2_000)
    expect(brain.state.limiters.size).toBe(0)
    expect(brain.state.ownerless.size).toBe(0)
  })
})

describe('a server with a limiter for each of its tenants', () => {
  const use = (brain: Brain, name: string, perSecond?: number): void => {
    const given = { name, client: brain.id('driver1'), count: 1, perSecond }
    brain.send({ kind: 'takeTokens', ...given, concurrency: 1 })
    brain.send({ kind: 'returnTokens', ...given, unused: false })
  }

  test('TB3: may have any number of them, one after another', () => {
    const brain = aBusyNode()
    for (let tenant = 0; tenant < 20_000; tenant += 1) use(brain, `tenant ${String(tenant)}`)
    expect(brain.state.limiters.size).toBeLessThanOrEqual(LIMITERS_MAX)
    expect(brain.state.limiters.has('tenant 19999')).toBe(true)
  })

  test('TB3: keeps those that hold a token, or whose rate remembers a start', () => {
    const brain = aBusyNode()
    expect(take(brain, 'driver1', 2, { concurrency: 1 })).toEqual({ driver1: 1 })
    use(brain, 'slow', 0.001)
    for (let tenant = 0; tenant < 20_000; tenant += 1) use(brain, `tenant ${String(tenant)}`)
    expect(brain.state.limiters.has('slow')).toBe(true)
    expect(giveBack(brain, 'driver1', 1)).toEqual({ driver1: 1 })
  })
})

describe('what waits for a limiter', () => {
  test('says why: its concurrency, or its rate', () => {
    const brain = aBusyNode()
    const why = (): unknown => whyRows(brain.state, brain.nowMs)
    take(brain, 'driver1', 5, { concurrency: 2 })
    expect(why()).toMatchObject([
      { kind: 'limiter', name: 'api', count: 3, why: '2 of its limiter run, and it allows 2' },
    ])
    brain.close('driver1')
    brain.driver('driver2', 'job2')
    brain.tick(2_000)
    take(brain, 'driver2', 3, { perSecond: 1 })
    expect(why()).toMatchObject([{ kind: 'limiter', why: 'its limiter starts 1 per second' }])
  })

  test('on one of several nodes says what it allows over all', () => {
    const view = new ClusterView([], 'here')
    const brain = new Brain({ cluster: { view, random: seededRandom(1), shunned: new Map() } })
    brain.driver('driver1', 'job1')
    expect(take(brain, 'driver1', 3, { concurrency: 2, perSecond: 5 })).toEqual({})
    const why = 'its limiter allows 2 at once and 5 per second over all nodes'
    expect(whyRows(brain.state, brain.nowMs)).toMatchObject([{ kind: 'limiter', count: 3, why }])
  })
})
