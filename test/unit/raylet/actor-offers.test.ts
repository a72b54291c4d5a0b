// Offers of actors to other nodes, and actors of others: one brain, whose node is one of three.
import { describe, expect, test } from 'vitest'
import type { ActorId, WorkerId } from '../../../runtime/common/ids.ts'
import { NODE_ID_LABEL } from '../../../runtime/common/label-selector.ts'
import type { ActorView } from '../../../runtime/protocol/actor-messages.ts'
import type { ActorOffer } from '../../../runtime/raylet/actors/actor-events.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aClass, aDriversJob, anActor, Brain, hexNodeId, units } from './brain.ts'

const A = 'actorA' as ActorId
const OTHERS = ['0b', '0c']
const DRIVER = 'driver1' as WorkerId

/** It knows two others of two CPUs. */
function aMember(cpus: number): Brain {
  const cluster = {
    view: new ClusterView([], hexNodeId()),
    ...{ random: seededRandom(1), shunned: new Map<string, number>() },
  }
  const brain = new Brain({ resources: { CPU: cpus }, prestart: 0, cluster })
  brain.send({ kind: 'confirmed', untilMs: Infinity })
  const totals = units({ CPU: 2 })
  const nodes = OTHERS.map((nodeId) => {
    return { nodeId, totals, free: totals, labels: { [NODE_ID_LABEL]: nodeId } }
  })
  brain.send({ kind: 'nodes', nodes, suspected: new Set(), members: new Map() })
  brain.driver('driver1', 'job1')
  return brain
}

/** In their first lives. */
const died = (...nodeIds: string[]) => ({
  kind: 'livesEnded' as const,
  ended: new Map(nodeIds.map((nodeId) => [nodeId, 1])),
})

/** Made and registered; its driver watches it. */
function made(brain: Brain, options: Parameters<Brain['createActor']>[1]): ActorOffer | undefined {
  brain.createActor('driver1', options)
  const effects = brain.send({ kind: 'actorRegistered', actorId: A, existing: undefined })
  brain.send({ kind: 'watchActor', client: DRIVER, request: brain.nextRequest(), actorId: A })
  return effects.find((effect) => effect.kind === 'offerActor')?.offer
}

const boundTo = (nodeId: string) => ({
  actorId: A,
  scheduling: aClass({ strategy: { kind: 'NODE_AFFINITY', nodeId, soft: false } }),
})

/** Offered to 0b and accepted there. */
function hosted(brain: Brain, options: object = {}, epoch = 1): ActorOffer {
  const offer = made(brain, { ...boundTo('0b'), ...options })
  if (offer === undefined) throw new Error('it was not offered')
  const load = { nodeId: '0b', epoch, version: 1, free: units({ CPU: 1 }) }
  brain.send({ kind: 'offerAnswered', nodeId: '0b', offer, answer: { accepted: true, load } })
  return offer
}

/** 0b has not begun it, and drains. */
function returned(brain: Brain): RayletEffect[] {
  const of = { from: { nodeId: '0b', epoch: 1 }, actorId: A, incarnation: 0 }
  return brain.send({ kind: 'offerReturned', request: brain.nextRequest(), ...of })
}

const view = (phase: ActorView['phase'], incarnation = 0): ActorView => ({
  ...{ actorId: A, phase, incarnation, address: '@host', workerId: undefined },
})

describe('an actor of several nodes', () => {
  test('one that fits here by half is leased here', () => {
    const brain = aMember(4)
    expect(made(brain, { actorId: A })).toBeUndefined()
    expect(brain.state.actors.get(A)).toMatchObject({ place: 'HERE' })
  })

  test.each([
    ['is written', { existing: undefined }, ['writeActor']],
    ['says that it was killed', { existing: 'KILLED' as const }, []],
  ])(
    'D223 one that is killed before its row is written: kill() ends once that %s',
    (_, registered, written) => {
      const brain = aMember(4)
      brain.createActor('driver1', { actorId: A, name: 'a' })
      const request = brain.nextRequest()
      const isKill = (effect: RayletEffect): boolean =>
        effect.kind === 'answer' && effect.request === request
      const kill = {
        ...{ kind: 'killActor' as const, client: DRIVER },
        actorId: A,
        noRestart: true,
      }
      expect(brain.send({ ...kill, request }).some(isKill)).toBe(false)
      const effects = brain.send({ kind: 'actorRegistered', actorId: A, ...registered })
      const writes = effects.filter(({ kind }) => kind === 'writeActor')
      expect(writes.map(({ kind }) => kind)).toEqual(written)
      if (written.length === 0) expect(effects.some(isKill)).toBe(true)
      else expect(writes).toMatchObject([{ write: { kind: 'DEAD', request } }])
    },
  )

  test('SPREAD goes round, and catches up with nothing that went elsewhere while a node was full', () => {
    const brain = aMember(0)
    const view = brain.state.cluster?.view
    const next = (i: number): string | undefined => {
      const actorId = `spread${String(i)}` as ActorId
      const scheduling = aClass({ strategy: { kind: 'SPREAD' }, demand: units({ CPU: 0.1 }) })
      brain.createActor('driver1', { actorId, scheduling })
      brain.send({ kind: 'actorRegistered', actorId, existing: undefined })
      return brain.state.actors.get(actorId)?.hostId
    }
    view?.setAside('0c')
    expect([0, 1, 2].map(next)).toEqual(['0b', '0b', '0b'])
    view?.letIn('0c')
    expect([3, 4, 5, 6].map(next)).toEqual(['0c', '0b', '0c', '0b'])
  })

  test('HO1: one for which there is no room is offered where there is; refused, to a better node', () => {
    const brain = aMember(0)
    const offer = made(brain, { actorId: A })
    const first = brain.state.actors.get(A)?.hostId ?? ''
    const better = OTHERS.find((nodeId) => nodeId !== first) ?? ''
    const load = { nodeId: first, epoch: 1, version: 1, free: {} }
    const answer = { accepted: false, retryAt: better, load }
    if (offer === undefined) throw new Error('it was not offered')
    const effects = brain.send({ kind: 'offerAnswered', nodeId: first, offer, answer })
    expect(brain.show(effects)).toEqual([`⇒ ${better}: offered actorA #0, hop 2`])
  })

  test.each(['refuses', 'accepts', 'dies'])(
    'HO2: its driver ends while a slow node is asked: it ends when that %s',
    (what) => {
      const brain = aMember(0)
      const offer = made(brain, boundTo('0b'))
      if (offer === undefined) throw new Error('it was not offered')
      brain.send({ kind: 'clientClosed', client: DRIVER })
      expect(brain.state.jobs.size).toBe(0)
      const load = { nodeId: '0b', epoch: 1, version: 1, free: {} }
      const answer = what === 'dies' ? 'LOST' : { accepted: what === 'accepts', load }
      brain.send({ kind: 'offerAnswered', nodeId: '0b', offer, answer })
      if (what === 'accepts') brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('DEAD') })
      expect(brain.state.actors.get(A)?.phase ?? 'DEAD').toBe('DEAD')
    },
  )

  test('HO2: one that its host has not begun as it drains is offered elsewhere, uncharged', () => {
    const brain = aMember(0)
    hosted(brain, { scheduling: aClass(), maxRestarts: 0 })
    expect(brain.show(returned(brain))).toContain('⇒ 0c: offered actorA #0, hop 1')
    expect(returned(brain)).toMatchObject([{ kind: 'answer', value: true }]) // heard once more
  })

  test.each([
    ['has not answered yet', 0, false],
    ['has taken it in its next life', 2, true],
  ])('HO2: nothing comes of that word where the host %s', (_, epoch, value) => {
    const brain = aMember(0)
    if (epoch === 0) made(brain, boundTo('0b'))
    else hosted(brain, boundTo('0b'), epoch)
    expect(returned(brain)).toMatchObject([{ kind: 'answer', value }])
    expect(brain.state.actors.get(A)).toMatchObject({ hostId: '0b' })
  })

  test('HO2: one that is to end meanwhile ends with that word', () => {
    const brain = aMember(0)
    hosted(brain, boundTo('0b'))
    brain.send({ kind: 'actorHandlesGone', client: DRIVER, actorId: A })
    expect(brain.show(returned(brain))).toContain('write actorA DEAD #0')
  })

  test('HO2: of an offer that came twice, word of the first may come before the second answer', () => {
    const brain = aMember(2)
    const offer = made(brain, boundTo('0b'))
    if (offer === undefined) throw new Error('it was not offered')
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    const load = { nodeId: '0b', epoch: 1, version: 1, free: units({ CPU: 1 }) }
    const answer = { accepted: true, load }
    const effects = brain.send({ kind: 'offerAnswered', nodeId: '0b', offer, answer })
    expect(brain.show(effects)).toEqual([
      'write actorA LEFT #0',
      '→ driver1: actorChanged actorA ALIVE #0',
    ])
  })

  test('HO3: lives for its watchers when its host says so, which is asked from then on', () => {
    const brain = aMember(2)
    hosted(brain)
    const effects = brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    expect(brain.show(effects)).toEqual([
      'write actorA LEFT #0',
      '→ driver1: actorChanged actorA ALIVE #0',
    ])
    expect(brain.state.actors.has(A)).toBe(false)
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('RESTARTING', 1) })
    // AE1: late.
    expect(brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })).toEqual([])
    const lost = brain.send({ kind: 'nodeLost', nodeId: '0b' })
    expect(brain.show(lost)).toEqual(['look for actorA'])
  })

  test('F08: once its node is dead nobody calls it there, whatever becomes of it', () => {
    const brain = aMember(2)
    hosted(brain)
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    const effects = brain.send(died('0b'))
    expect(brain.show(effects)).toEqual(['→ driver1: actorChanged actorA RESTARTING #1'])
    const dead = {
      kind: 'actorLocated',
      actorId: A,
      nodeId: undefined,
      view: view('DEAD'),
    } as const
    expect(brain.show(brain.send(dead))).toEqual(['→ driver1: actorChanged actorA DEAD #0'])
  })

  test('AE1: its node dies after it told of a next life that its row never had: whoever takes that life is heard', () => {
    const brain = aMember(2)
    hosted(brain)
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('RESTARTING', 1) })
    expect(brain.send(died('0b'))).toEqual([])
    brain.send({ kind: 'nodeLost', nodeId: '0b' })
    const taken = { nodeId: '0c', view: view('ALIVE', 1) }
    const effects = brain.send({ kind: 'actorLocated', actorId: A, ...taken })
    expect(brain.show(effects)).toEqual(['→ driver1: actorChanged actorA ALIVE #1'])
  })

  test('FI1: of one that was not made on another node the one found there is told, and no more', () => {
    const brain = aMember(2)
    const watch = { kind: 'watchActor', client: DRIVER, actorId: A, homeId: '0b' } as const
    const looked = brain.send({ ...watch, request: brain.nextRequest() })
    expect(brain.show(looked)).toEqual(['look for actorA'])
    const unmade = view('DEPENDENCIES_UNREADY')
    brain.send({ kind: 'actorLocated', actorId: A, nodeId: '0b', view: unmade })
    const foundInstead = { actorId: 'actorB' as ActorId, homeId: '0c', maxTaskRetries: 0 }
    const found = { ...unmade, foundInstead }
    const effects = brain.send({ kind: 'actorHeard', nodeId: '0b', view: found })
    expect(effects).toEqual([expect.objectContaining({ type: 'actorChanged', message: found })])
    expect(brain.state.cluster?.actors.watched.size).toBe(0)
    expect(brain.state.watchers.size).toBe(0)
  })

  test('AE1: one that its home has not made is looked for anew when it is watched again', () => {
    const brain = aMember(2)
    const watch = { kind: 'watchActor', client: DRIVER, actorId: A, homeId: '0b' } as const
    brain.send({ ...watch, request: brain.nextRequest() })
    const unmade = view('DEPENDENCIES_UNREADY')
    brain.send({ kind: 'actorLocated', actorId: A, nodeId: '0b', view: unmade })
    const again = brain.send({ ...watch, request: brain.nextRequest() })
    expect(brain.show(again)).toContain('look for actorA')
    // By a retry of its maker's task.
    const effects = brain.send({
      ...{ kind: 'actorLocated', actorId: A, nodeId: '0c' },
      view: view('ALIVE'),
    })
    expect(brain.show(effects)).toEqual(['→ driver1: actorChanged actorA ALIVE #0'])
    expect(brain.send({ ...watch, request: brain.nextRequest() })).toHaveLength(1)
  })

  test('F07: its host dies before it lives: out of restarts it is dead, and says of which node', () => {
    const brain = aMember(2)
    hosted(brain)
    const effects = brain.show(brain.send(died('0b')))
    expect(effects[0]).toBe('write actorA DEAD #0')
    expect(effects[1]).toContain('actorChanged actorA DEAD #0, ERR_ACTOR_DIED')
    expect(effects[1]).toContain('its node 0b is dead')
  })

  test('F07, HO2: with restarts left the row gives it the next incarnation before it is offered again', () => {
    const brain = aMember(2)
    hosted(brain, {
      ...{ maxRestarts: 1 },
      scheduling: aClass({ strategy: { kind: 'NODE_AFFINITY', nodeId: '0b', soft: true } }),
    })
    brain.send({ kind: 'nodes', nodes: [], suspected: new Set(), members: new Map() })
    const effects = brain.send(died('0b', '0c'))
    expect(brain.show(effects)[0]).toBe('write actorA RESTARTING #1')
    const won = { kind: 'actorWritten', actorId: A, write: 'RESTARTING', won: true } as const
    expect(brain.show(brain.send({ ...won, incarnation: 1 }))[0]).toContain('spawn')
  })

  test('F07: who accepts it in its second life is not taken for dead with its first', () => {
    const brain = aMember(2)
    hosted(brain, {}, 2)
    expect(brain.send(died('0b'))).toEqual([])
    const effects = brain.show(brain.send({ kind: 'livesEnded', ended: new Map([['0b', 2]]) }))
    expect(effects[0]).toBe('write actorA DEAD #0')
  })

  test('one that died elsewhere and whose row is gone is dead for who asks, not yet to be made', () => {
    const brain = aMember(0)
    hosted(brain)
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('DEAD') })
    const asked = { kind: 'nodeWatches', link: 1, request: 77, actorId: A, isUnmade: true } as const
    expect(brain.send(asked)).toContainEqual({
      ...{ kind: 'answer', request: 77 },
      value: expect.objectContaining({ actorId: A, phase: 'DEAD' }) as unknown,
    })
  })

  test('AE3: a life that lost its row to another ends, and is looked for', () => {
    const brain = aMember(4)
    made(brain, { actorId: A })
    brain.hello('w1')
    const ready = {
      kind: 'actorReady',
      client: brain.id('w1'),
      actorId: A,
      incarnation: 0,
    } as const
    expect(brain.show(brain.send({ ...ready, address: '@w1' }))).toEqual(['write actorA ALIVE #0'])
    const lost = { kind: 'actorWritten', actorId: A, write: 'ALIVE', won: false } as const
    const effects = brain.show(brain.send({ ...lost, incarnation: 0 }))
    expect(effects).toContain('SIGKILL w1')
    expect(effects).toContain('look for actorA')
  })

  test('AE2: whoever made it goes, and its host is told wherever that is', () => {
    const brain = aMember(2)
    hosted(brain)
    brain.send({ kind: 'actorHeard', nodeId: '0b', view: view('ALIVE') })
    const effects = brain.show(brain.send({ kind: 'clientClosed', client: DRIVER }))
    expect(effects).toContain('⇒ host of actorA: releaseActor')
  })

  test('AE2: one hosted for a node that is dead ends, unless it is detached', () => {
    for (const detached of [false, true]) {
      const away = aMember(2)
      const offer = hosted(away, { detached })
      const brain = aMember(2)
      const origin = { ...offer.origin, homeId: '0c', drivenAt: '0c' }
      const taken = { ...offer, origin, holder: { nodeId: '0c', epoch: 1 } }
      const request = brain.nextRequest()
      brain.send({ kind: 'actorOffered', link: 1, request, offer: taken })
      expect(brain.state.actors.get(A)?.phase).toBe('PENDING_CREATION')
      brain.send(died('0c'))
      expect(brain.state.actors.get(A)?.phase).toBe(detached ? 'PENDING_CREATION' : 'DEAD')
    }
  })

  test('AE2: one made in the second life of its node does not end with the first', () => {
    const offer = hosted(aMember(2))
    const brain = aMember(2)
    const ownerAddress = '127.0.0.1:1/0c/2@driver'
    const origin = { ...offer.origin, homeId: '0c', drivenAt: '0c', ownerAddress }
    const taken = { ...offer, origin, holder: { nodeId: '0c', epoch: 2 } }
    brain.send({ kind: 'actorOffered', link: 1, request: brain.nextRequest(), offer: taken })
    brain.send(died('0c'))
    expect(brain.state.actors.get(A)?.phase).toBe('PENDING_CREATION')
    brain.send({ kind: 'livesEnded', ended: new Map([['0c', 2]]) })
    expect(brain.state.actors.get(A)?.phase).toBe('DEAD')
  })

  test('F06: one that waits for its worker when its node drains is left for another node', () => {
    const brain = aMember(4)
    made(brain, { actorId: A, maxRestarts: 1 })
    const effects = brain.show(brain.send({ kind: 'drain', graceMs: 1_000 }))
    expect(effects.filter((each) => each.includes('actorA'))).toEqual([])
    expect(brain.state.actors.get(A)).toMatchObject({ phase: 'PENDING_CREATION', place: 'LEFT' })
  })

  test('GU3: one made by a driver elsewhere outlives a cut from its node, and ends with it', () => {
    const brain = aMember(4)
    const driver = 'driver-of-0c' as WorkerId
    const job = aDriversJob('job2')
    const driven = { job, driver, drivenAt: '0c' }
    const offer = {
      spec: anActor({ actorId: A, jobId: job.jobId, owner: driver, maxRestarts: -1 }),
      origin: { ...driven, homeId: '0c', ownerAddress: '@driver' },
      ...{ holder: { nodeId: '0c', epoch: 1 }, incarnation: 0, lived: false },
      ...{ hops: 1, isBound: false },
    }
    const asks = (link: number): void => {
      const owner = { ...driven, role: 'driver', address: '@driver' } as const
      const message = {
        client: driver,
        classId: 0,
        spec: aClass(),
        owner,
        count: 1,
        known: 0,
        hops: 1,
      }
      brain.send({ kind: 'leasesAsked', link, request: brain.nextRequest(), message })
    }
    const phase = (): unknown => brain.state.actors.get(A)?.phase
    asks(1)
    brain.send({ kind: 'actorOffered', link: 1, request: brain.nextRequest(), offer })
    brain.send({ kind: 'guestLinkClosed', link: 1 })
    expect(phase()).toBe('PENDING_CREATION')
    asks(2)
    asks(3) // before it is known here that the connection before is gone
    expect(phase()).toBe('PENDING_CREATION')
    brain.send({ kind: 'guestLeft', link: 3, client: driver })
    expect(phase()).toBe('DEAD')
  })
})
