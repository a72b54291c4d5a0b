// Actors that a node leaves behind as it drains: one brain, whose node is one of three.
import { describe, expect, test } from 'vitest'
import type { ActorId, WorkerId } from '../../../runtime/common/ids.ts'
import { NODE_ID_LABEL } from '../../../runtime/common/label-selector.ts'
import type { ActorOffer } from '../../../runtime/raylet/actors/actor-events.ts'
import type { Actor } from '../../../runtime/raylet/actors/actor-state.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aClass, aDriversJob, anActor, Brain, hexNodeId, units } from './brain.ts'

const A = 'actorA' as ActorId
const HOLDER = '0b'
const OTHERS = [HOLDER, '0c']
const GRACE_MS = 8_000
const KILL = { kind: 'killActor', actorId: A } as const

/** It knows these of two CPUs. @param draining  and that these drain. */
function nodesOf(
  brain: Brain,
  ids: readonly string[],
  suspected: readonly string[] = [],
  draining: readonly string[] = [],
): void {
  const totals = units({ CPU: 2 })
  const nodes = ids.map((nodeId) => {
    return { nodeId, totals, free: totals, labels: { [NODE_ID_LABEL]: nodeId } }
  })
  const members = new Map(
    [...ids, ...draining].map((id) => [id, { epoch: 1, isDraining: draining.includes(id) }]),
  )
  brain.send({ kind: 'nodes', nodes, suspected: new Set(suspected), members })
}

function aMember(): Brain {
  const view = new ClusterView([], hexNodeId())
  const cluster = { view, random: seededRandom(1), shunned: new Map<string, number>() }
  const brain = new Brain({ resources: { CPU: 4 }, prestart: 0, cluster })
  brain.send({ kind: 'confirmed', untilMs: Infinity })
  nodesOf(brain, OTHERS)
  return brain
}

/** Made at 0b, and offered to this node, which starts a worker for it. */
function hosted(brain: Brain, changes: Partial<ActorOffer['spec']> = {}): RayletEffect[] {
  const driver = 'driver-of-0b' as WorkerId
  const job = aDriversJob('job2')
  const offer = {
    spec: anActor({ actorId: A, jobId: job.jobId, owner: driver, maxRestarts: 1, ...changes }),
    origin: { job, driver, drivenAt: HOLDER, homeId: HOLDER, ownerAddress: '@driver' },
    ...{ holder: { nodeId: HOLDER, epoch: 1 }, incarnation: 0, lived: false },
    ...{ hops: 1, isBound: false },
  }
  const request = brain.nextRequest()
  return brain.send({ kind: 'actorOffered', link: 1, request, offer })
}

/** The same, and it lives here. */
function living(brain: Brain, changes: Partial<ActorOffer['spec']> = {}): void {
  hosted(brain, changes)
  brain.hello('w1')
  brain.send({
    ...{ kind: 'actorReady', client: brain.id('w1'), actorId: A, incarnation: 0 },
    address: '@w1',
  })
  brain.send({ kind: 'actorWritten', actorId: A, incarnation: 0, write: 'ALIVE', won: true })
}

/** A task of a driver elsewhere keeps this node. */
function keptBusy(brain: Brain): void {
  const owner = {
    ...{ role: 'driver' as const, address: '@other', job: aDriversJob('job3') },
    ...{ driver: 'other' as WorkerId, drivenAt: '0c' },
  }
  const message = {
    ...{ client: 'other' as WorkerId, classId: 0, spec: aClass(), owner },
    ...{ count: 1, known: 0, hops: 1 },
  }
  brain.send({ kind: 'leasesAsked', link: 2, request: brain.nextRequest(), message })
  brain.hello('w2')
}

const drain = (brain: Brain): string[] =>
  brain.show(brain.send({ kind: 'drain', graceMs: GRACE_MS }))
const exit = (brain: Brain): string[] => brain.show(brain.exit('w1', { code: 0, signal: null }))
const answered = (brain: Brain, answer: 'TAKEN' | 'REFUSED' | 'UNKNOWN'): string[] => {
  const left = { actorId: A, incarnation: 0 }
  return brain.show(brain.send({ kind: 'adoptionAnswered', left, answer }))
}
const actorOf = (brain: Brain): Actor | undefined => brain.state.actors.get(A)
const asked = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.includes('to adopt'))

describe('GA1 an actor of a node that drains', () => {
  test('is adopted by another as soon as its worker has ended; nothing is said of a next life here', () => {
    const brain = aMember()
    living(brain)
    keptBusy(brain)
    expect(asked(drain(brain))).toEqual([])
    const effects = exit(brain)
    expect(asked(effects)).toHaveLength(1)
    expect(effects.filter((line) => line.startsWith('write'))).toEqual([])
    expect(actorOf(brain)).toMatchObject({ place: 'GIVEN', incarnation: 0, phase: 'RESTARTING' })
    expect(answered(brain, 'TAKEN')).toContain('⇒ link 1: actorMoved')
    expect(actorOf(brain)).toBeUndefined()
    expect(brain.state.leaving).toBe(false)
  })

  test('goes back to who waits for it to be constructed here', () => {
    const brain = aMember()
    hosted(brain)
    brain.hello('w1')
    drain(brain)
    expect(asked(exit(brain))).toEqual([`⇒ ${HOLDER}: to adopt actorA`])
  })

  test.each([
    ['has no restart left', { maxRestarts: 0 }],
    ['was made here', { owner: 'driver1' as WorkerId }],
  ])('is not given away where it %s', (what, changes) => {
    const brain = aMember()
    if ('owner' in changes) {
      brain.driver('driver1', 'job1')
      brain.createActor('driver1', { actorId: A, maxRestarts: 1 })
      brain.send({ kind: 'actorRegistered', actorId: A, existing: undefined })
      brain.hello('w1')
    } else living(brain, changes)
    expect(asked([...drain(brain), ...exit(brain)])).toEqual([])
    expect(brain.state.leaving).toBe(true)
    expect(actorOf(brain)?.phase).toBe(what.includes('made') ? 'RESTARTING' : 'DEAD')
  })
})

describe('GA4 one that has not begun', () => {
  const BACK = [`⇒ ${HOLDER}: to adopt actorA, unbegun`]

  test.each([0, 1])('goes back at once to who has offered it: of %s restarts', (maxRestarts) => {
    const brain = aMember()
    hosted(brain, { maxRestarts })
    expect(asked(drain(brain))).toEqual(BACK)
    expect(brain.state.leases.size).toBe(0)
    expect(brain.state.leaving).toBe(false)
    answered(brain, 'TAKEN')
    expect(actorOf(brain)).toBeUndefined()
  })

  test('is not taken once more meanwhile, though the offer comes again', () => {
    const brain = aMember()
    hosted(brain)
    drain(brain)
    expect(hosted(brain)).toMatchObject([{ kind: 'answer', value: { accepted: false } }])
  })

  test('goes back to who drains as well, and to nobody else where that may have it', () => {
    const brain = aMember()
    hosted(brain)
    nodesOf(brain, ['0c'], [], [HOLDER])
    expect(asked(drain(brain))).toEqual(BACK)
    answered(brain, 'UNKNOWN')
    nodesOf(brain, ['0c'])
    expect(asked(brain.show(brain.tick(100)))).toEqual([])
    expect(actorOf(brain)).toMatchObject({ place: 'GIVEN', hostId: HOLDER })
  })

  test.each([
    [0, []],
    [1, ['⇒ 0c: to adopt actorA']],
  ])('costs a restart, of %s, where who has offered it is gone', (maxRestarts, expected) => {
    const brain = aMember()
    hosted(brain, { maxRestarts })
    nodesOf(brain, ['0c'])
    expect(asked(drain(brain))).toEqual(expected)
    expect(actorOf(brain)?.place).toBe(expected.length === 0 ? 'LEFT' : 'GIVEN')
  })

  test('is adopted by another where this node holds it; made here, if it is detached', () => {
    const brain = aMember()
    brain.driver('driver1', 'job1')
    for (const actorId of [A, 'actorB' as ActorId]) {
      brain.createActor('driver1', { actorId, detached: actorId === A })
      brain.send({ kind: 'actorRegistered', actorId, existing: undefined })
    }
    expect(asked(drain(brain))).toEqual([expect.stringMatching(/to adopt actorA, unbegun$/)])
    expect(brain.state.actors.get('actorB' as ActorId)?.phase).toBe('DEAD')
  })

  test('keeps the node that holds it until it lives where it was offered', () => {
    const brain = aMember()
    brain.driver('driver1', 'job1')
    const strategy = { kind: 'NODE_AFFINITY', nodeId: '0c', soft: false } as const
    const detached = { actorId: A, detached: true, scheduling: aClass({ strategy }) }
    brain.createActor('driver1', detached)
    brain.send({ kind: 'actorRegistered', actorId: A, existing: undefined })
    expect(actorOf(brain)).toMatchObject({ place: 'ASKED', hostId: '0c' })
    drain(brain)
    expect(brain.state.leaving).toBe(false)
    expect(brain.show(brain.tick(GRACE_MS))).toEqual(['leave'])
    expect(actorOf(brain)?.phase).toBe('PENDING_CREATION')
  })
})

describe('GA2, GA3 who is asked to adopt one', () => {
  test('refuses: others are asked, until the time is up', () => {
    const brain = aMember()
    living(brain)
    drain(brain)
    exit(brain)
    for (let tries = 0; tries < 3; tries += 1) {
      expect(asked(answered(brain, 'REFUSED'))).toEqual([])
      expect(actorOf(brain)?.place).toBe('LEFT')
      expect(asked(brain.show(brain.tick(100)))).toHaveLength(1)
    }
    expect(brain.state.leaving).toBe(false)
    expect(brain.show(brain.tick(GRACE_MS))).toEqual(['leave'])
    expect(actorOf(brain)?.incarnation).toBe(0)
  })

  test.each([
    ['left', [], []],
    ['suspected to be gone', OTHERS, OTHERS],
  ])('is not there, as all others are %s: the node leaves at once', (_, nodes, suspected) => {
    const brain = aMember()
    living(brain)
    nodesOf(brain, nodes, suspected)
    drain(brain)
    exit(brain)
    expect(brain.state.leaving).toBe(true)
  })

  test('is asked for a hundred at a time', () => {
    const brain = aMember()
    const ids = Array.from({ length: 101 }, (_, i) => `actor${String(i)}` as ActorId)
    const scheduling = aClass({ demand: units({}) })
    for (const actorId of ids) hosted(brain, { actorId, scheduling })
    expect(asked(drain(brain))).toHaveLength(100)
    const left = { actorId: ids[0] ?? A, incarnation: 0 }
    const effects = brain.send({ kind: 'adoptionAnswered', left, answer: 'TAKEN' })
    expect(asked(brain.show(effects))).toHaveLength(1)
  })

  test('comes while a task keeps the node', () => {
    const kept = aMember()
    living(kept)
    keptBusy(kept)
    nodesOf(kept, [])
    drain(kept)
    expect(asked(exit(kept))).toEqual([])
    nodesOf(kept, ['0d'])
    expect(actorOf(kept)).toMatchObject({ place: 'GIVEN', hostId: '0d' })
  })

  test('answers: kill() is up to who holds it by its row then; before, and refused, to this node', () => {
    const brain = aMember()
    living(brain)
    drain(brain)
    exit(brain)
    const kill = (): string[] =>
      brain.show(brain.send({ ...KILL, noRestart: true, request: brain.nextRequest() }))
    expect(kill()).toEqual(['⇒ host of actorA: killActor'])
    answered(brain, 'UNKNOWN')
    expect(kill()).toEqual(['⇒ host of actorA: killActor'])
    answered(brain, 'REFUSED')
    expect(kill()).toEqual(['⇒ host of actorA: killActor'])
    const other = aMember()
    living(other)
    drain(other)
    exit(other)
    answered(other, 'REFUSED')
    const killed = other.show(
      other.send({ ...KILL, noRestart: true, request: other.nextRequest() }),
    )
    expect(killed).toContain('write actorA DEAD #0')
    expect(other.state.leaving).toBe(true)
  })

  test('refuses one whose maker has ended meanwhile: it ends', () => {
    const brain = aMember()
    living(brain)
    drain(brain)
    exit(brain)
    const call = { type: 'releaseActor', actorId: A, why: 'OWNER' } as const
    const request = brain.nextRequest()
    const effects = brain.send({ kind: 'actorCall', request, call })
    expect(effects).toEqual([{ kind: 'answer', request, value: false }]) // by its row
    brain.send({ kind: 'livesEnded', ended: new Map([[HOLDER, 1]]) })
    expect(answered(brain, 'REFUSED')).toContain('write actorA DEAD #0')
  })
})
