// Test names give the arrows of the lifecycle drawn in runtime/raylet/actors/actors.ts.
import { describe, expect, test } from 'vitest'
import { toHex, type ActorId, type WorkerId } from '../../../runtime/common/ids.ts'
import type { WireError } from '../../../runtime/common/error-wire.ts'
import type { NameHolder } from '../../../runtime/raylet/turn.ts'
import { aBusyNode, grantsOf, NODE_ID, units, type Brain } from './brain.ts'

const A = 'actorA' as ActorId
const B = 'actorB' as ActorId
const boom: WireError = { code: 'ERR_ACTOR_DIED', message: 'boom', data: {}, stack: '' }

function ready(brain: Brain, worker: string, actorId: ActorId, incarnation = 0): string[] {
  const client = brain.id(worker)
  return brain.show(
    brain.send({ kind: 'actorReady', client, actorId, incarnation, address: `@${worker}` }),
  )
}

function watch(brain: Brain, client: string, actorId: ActorId): string[] {
  const request = brain.nextRequest()
  return brain.show(
    brain.send({ kind: 'watchActor', client: client as WorkerId, request, actorId }),
  )
}

function kill(brain: Brain, actorId: ActorId, noRestart = true): string[] {
  const request = brain.nextRequest()
  return brain.show(brain.send({ kind: 'killActor', request, actorId, noRestart }))
}

describe('an actor', () => {
  test('arrows 1, 2, 3: without a name it is answered at once, started and alive', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    expect(brain.show(brain.createActor('driver1', { actorId: A }))).toEqual([
      'answer #1 actorA',
      '→ w1: startActor actorA #0 {}',
    ])
    expect(watch(brain, 'driver1', A)).toEqual(['answer #2 actorA PENDING_CREATION #0'])
    expect(ready(brain, 'w1', A)).toEqual(['→ driver1: actorChanged actorA ALIVE #0'])
  })

  test('needs one CPU to be placed and holds none once it lives', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A })
    expect(brain.free()).toEqual({})
    ready(brain, 'w1', A)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    brain.block('w1', 1, { taskId: 't1', actorId: A, on: [{ taskId: 't2' }] })
    brain.unblock('w1', 1)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('PL3: is given no worker that owns what others may hold, but a fresh one', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    for (const owner of ['w1', 'w2']) brain.owning(owner)
    const made = brain.createActor('driver1', { actorId: A })
    expect(brain.show(made)).toEqual(['answer #1 actorA', 'spawn w3 for job1, cpus 1'])
    expect(grantsOf(brain.want('driver1', 0, 1, {}))).toHaveLength(1) // a task may have an owner
    expect(brain.show(brain.hello('w3'))).toContain('→ w3: startActor actorA #0 {}')
  })

  test('PL3: is given the idle one that owns nothing, and one that owns nothing any more', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.owning('w1')
    const first = brain.show(brain.createActor('driver1', { actorId: A }))
    expect(first).toContain('→ w2: startActor actorA #0 {}')
    brain.owning('w1', false)
    const second = brain.show(brain.createActor('driver1', { actorId: B }))
    expect(second).toContain('→ w1: startActor actorB #0 {}')
  })

  test('PL3: is given an owner where no more workers may be started', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, workersMax: 1 })
    brain.owning('w1')
    const made = brain.show(brain.createActor('driver1', { actorId: A }))
    expect(made).toContain('→ w1: startActor actorA #0 {}')
  })

  test('holds the resources that were asked for explicitly', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1 } })
    const scheduling = { ...anyClass(), demand: units({ CPU: 1, GPU: 1 }) }
    const effects = brain.createActor('driver1', {
      actorId: A,
      scheduling,
      defaultResources: false,
    })
    expect(brain.show(effects)[1]).toBe('→ w1: startActor actorA #0 {"CPU":1,"GPU":1} GPUs 0')
    ready(brain, 'w1', A)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('actors do not use up the workers of tasks: more are started', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A })
    ready(brain, 'w1', A)
    expect(brain.show(brain.want('driver1', 0, 1, {}))).toEqual(['spawn w2 for job1, cpus 1'])
    expect(grantsOf(brain.hello('w2'))).toHaveLength(1)
  })

  test('arrow 4: infeasible demands reject the creation, and callers hear the same', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    watch(brain, 'driver1', A)
    const scheduling = { ...anyClass(), demand: units({ GPU: 1 }) }
    const effects = brain.show(brain.createActor('driver1', { actorId: A, scheduling }))
    expect(effects[0]).toContain('refuse #2 InfeasibleError')
    expect(effects[1]).toContain('actorChanged actorA DEAD #0, ERR_INFEASIBLE')
  })

  test('arrow 4: hard affinity to another node is ActorUnschedulableError', () => {
    const brain = aBusyNode()
    const strategy = { kind: 'NODE_AFFINITY', nodeId: 'ff', soft: false } as const
    const effects = brain.createActor('driver1', {
      actorId: A,
      scheduling: { ...anyClass(), strategy },
    })
    expect(brain.show(effects)[0]).toContain('refuse #1 ActorUnschedulableError')
  })

  test('arrow 4: a constructor that throws is final, also with restarts left', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A, maxRestarts: 5 })
    watch(brain, 'driver1', A)
    const client = brain.id('w1')
    expect(
      brain.show(brain.send({ kind: 'actorFailed', client, actorId: A, error: boom })),
    ).toEqual(['→ driver1: actorChanged actorA DEAD #0, ERR_ACTOR_DIED: boom', '→ w1: exit OVER'])
    brain.exit('w1', { code: 0, signal: null })
    expect(brain.state.actors.get(A)?.phase).toBe('DEAD')
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('arrow 4: without restarts it dies with its worker, and is told with the exit', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A })
    ready(brain, 'w1', A)
    watch(brain, 'driver1', A)
    expect(brain.show(brain.exit('w1', { signal: 'SIGSEGV' }))[0]).toBe(
      '→ driver1: actorChanged actorA DEAD #0, ERR_ACTOR_DIED: actor Counter died: its worker ' +
        'crashed (pid 101, SIGSEGV), and it has no restarts. Give maxRestarts to have it started again.',
    )
    expect(brain.state.actors.get(A)?.error?.data).toMatchObject({ mayHaveRun: 'unknown' })
  })

  test('one that never lived says that no call can have run', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A })
    brain.exit('w1')
    expect(brain.state.actors.get(A)?.error?.data).toMatchObject({ mayHaveRun: false })
  })

  test('arrows 5, 6: with restarts it comes back on a new worker, one incarnation later', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A, maxRestarts: 1 })
    ready(brain, 'w1', A)
    watch(brain, 'driver1', A)
    const effects = brain.show(brain.exit('w1'))
    expect(effects[0]).toContain('actorChanged actorA RESTARTING #1')
    expect(effects.at(-1)).toBe('spawn w2 for job1, cpus 1')
    expect(brain.show(brain.hello('w2'))).toEqual(['→ w2: startActor actorA #1 {}'])
    expect(ready(brain, 'w2', A, 1)).toEqual(['→ driver1: actorChanged actorA ALIVE #1'])
    expect(brain.show(brain.exit('w2'))[0]).toContain('DEAD')
  })

  test('A1: word of an older incarnation, or of another worker, changes nothing', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.createActor('driver1', { actorId: A, maxRestarts: 1 })
    expect(ready(brain, 'w2', A)).toEqual([])
    expect(ready(brain, 'w1', A, 7)).toEqual([])
    expect(brain.state.actors.get(A)?.phase).toBe('PENDING_CREATION')
  })

  test('arrow 4: kill is told at once and leaves no lease once the process is gone', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const scheduling = anyClass()
    brain.createActor('driver1', {
      actorId: A,
      scheduling,
      defaultResources: false,
      maxRestarts: -1,
    })
    ready(brain, 'w1', A)
    watch(brain, 'driver1', A)
    const effects = kill(brain, A)
    expect(effects[1]).toContain('actorChanged actorA DEAD')
    expect(effects[2]).toBe('SIGKILL w1')
    expect(brain.free()).toEqual({})
    brain.exit('w1')
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('arrow 5: kill with a restart allowed uses one, and is answered once the worker is gone', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A, maxRestarts: 1 })
    ready(brain, 'w1', A)
    watch(brain, 'driver1', A)
    expect(kill(brain, A, false)).toEqual(['SIGKILL w1'])
    const told = brain.show(brain.exit('w1')).filter((line) => !line.startsWith('spawn'))
    expect(told.slice(0, 2)).toEqual([
      expect.stringContaining('actorChanged actorA RESTARTING #1'),
      'answer #3 done',
    ])
    expect(brain.state.actors.get(A)?.phase).toBe('RESTARTING')
  })

  test('exitActor: it finishes what runs, then is dead and never restarted', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A, maxRestarts: -1 })
    ready(brain, 'w1', A)
    const client = brain.id('w1')
    brain.send({ kind: 'actorExiting', client, actorId: A, error: undefined })
    expect(brain.state.actors.get(A)?.phase).toBe('ALIVE')
    brain.exit('w1', { code: 0, signal: null })
    expect(brain.state.actors.get(A)?.phase).toBe('DEAD')
    expect(brain.state.actors.get(A)?.error?.message).toContain('exitActor()')
  })

  test('the last handle: it is asked to leave and killed after the grace time', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.createActor('driver1', { actorId: A })
    ready(brain, 'w1', A)
    const gone = brain.send({ kind: 'actorHandlesGone', client: brain.id('driver1'), actorId: A })
    expect(brain.show(gone)).toEqual(['→ w1: exit OVER'])
    expect(brain.show(brain.tick(5_000))).toEqual(['SIGKILL w1'])
    brain.exit('w1')
    expect(brain.state.actors.get(A)?.phase).toBe('DEAD')
  })

  test('handles of a detached actor, or word of somebody else, do not end it', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.createActor('driver1', { actorId: A, detached: true })
    brain.createActor('driver1', { actorId: B })
    expect(
      brain.send({ kind: 'actorHandlesGone', client: brain.id('driver1'), actorId: A }),
    ).toEqual([])
    expect(brain.send({ kind: 'actorHandlesGone', client: brain.id('w1'), actorId: B })).toEqual([])
  })

  test('an actor ends with the worker that created it', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1, {})
    brain.createActor('w1', { actorId: A })
    ready(brain, 'w2', A)
    brain.close('w1')
    expect(brain.show(brain.tick(500))).toContain('SIGKILL w2')
    brain.exit('w2')
    expect(brain.state.actors.get(A)?.error?.message).toContain('its creator has ended')
  })

  test('an actor that waits for room starts when there is some', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const scheduling = anyClass()
    brain.createActor('driver1', { actorId: A, scheduling, defaultResources: false })
    ready(brain, 'w1', A)
    expect(brain.show(brain.createActor('driver1', { actorId: B, scheduling }))).toEqual([
      'answer #2 actorB',
    ])
    kill(brain, A)
    brain.exit('w1')
    expect(brain.state.actors.get(B)?.lease).toBeDefined()
  })

  test('one that is killed before its creator has made it is dead when it is made', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    expect(kill(brain, A)).toEqual(['answer #1 done'])
    watch(brain, 'driver1', A)
    const told = brain.show(brain.createActor('driver1', { actorId: A }))
    const why = 'actor Counter is dead: it was killed with kill(). Create a new one.'
    expect(told).toEqual([
      `refuse #3 ActorDiedError: ${why}`,
      `→ driver1: actorChanged actorA DEAD #0, ERR_ACTOR_DIED: ${why}`,
    ])
    expect(brain.state.leases.size).toBe(0)
  })

  test('one that nobody made yet may be watched, and its birth is told', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    expect(watch(brain, 'driver1', A)).toEqual(['answer #1 actorA DEPENDENCIES_UNREADY #0'])
    expect(brain.show(brain.createActor('driver1', { actorId: A }))).toContain(
      '→ driver1: actorChanged actorA PENDING_CREATION #0',
    )
  })
})

/** As this node finds its own. */
const holderOf = (actorId: ActorId): NameHolder => ({
  ...{ actorId, owner: 'd1', sinceMs: 5 },
  ...{ nodeId: toHex(NODE_ID), epoch: 1 },
})

describe('a named actor', () => {
  test('claims its name before anything else, and the answer waits for that', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    expect(brain.show(brain.createActor('driver1', { actorId: A, name: 'c' }))).toEqual([
      "claim name 'c' for actorA",
    ])
    const effects = brain.send({ kind: 'nameClaimed', actorId: A, holder: undefined })
    expect(brain.show(effects)[0]).toBe('answer #1 actorA')
  })

  test('a taken name refuses, and says whose it is since when', () => {
    const brain = named()
    brain.createActor('driver1', { actorId: B, name: 'c' })
    const holder = holderOf(A)
    const effects = brain.send({ kind: 'nameClaimed', actorId: B, holder })
    expect(brain.show(effects)[0]).toContain(
      "refuse #2 ActorAlreadyExistsError: an actor named 'c'",
    )
    const refusal = effects.find((effect) => effect.kind === 'refuse')
    expect(refusal?.error.data).toMatchObject({ name: 'c', owner: 'd1', since: 5 })
  })

  test('getIfExists answers with the one that exists', () => {
    const brain = named()
    brain.createActor('driver1', { actorId: B, name: 'c', getIfExists: true })
    const holder = holderOf(A)
    expect(brain.show(brain.send({ kind: 'nameClaimed', actorId: B, holder }))).toEqual([
      'answer #2 actorA',
    ])
    expect(brain.state.actors.has(B)).toBe(false)
  })

  test('FI1, FI2: who has a handle of the one that was not made hears which one was found', () => {
    const brain = named()
    brain.createActor('driver1', { actorId: B, name: 'c', getIfExists: true })
    watch(brain, 'driver1', B)
    const effects = brain.send({ kind: 'nameClaimed', actorId: B, holder: holderOf(A) })
    const foundInstead = { actorId: A, homeId: toHex(NODE_ID), maxTaskRetries: 0 }
    const view = expect.objectContaining({ actorId: B, foundInstead }) as object
    expect(effects).toContainEqual(
      expect.objectContaining({ kind: 'notify', type: 'actorChanged', message: view }),
    )
    const asked = { kind: 'watchActor', client: 'driver1' as WorkerId, actorId: B } as const
    const late = brain.send({ ...asked, request: brain.nextRequest() })
    expect(late).toContainEqual(expect.objectContaining({ value: view }))
    expect(brain.state.watchers.has(B)).toBe(false)
    brain.send({ kind: 'actorHandlesGone', client: 'driver1' as WorkerId, actorId: B })
    expect(brain.state.foundActors.size).toBe(0)
  })

  test('kill() of the one that was not made ends the one that was found', () => {
    const brain = named()
    brain.createActor('driver1', { actorId: B, name: 'c', getIfExists: true })
    brain.send({ kind: 'nameClaimed', actorId: B, holder: holderOf(A) })
    kill(brain, B)
    expect(brain.state.actors.get(A)?.phase).toBe('DEAD')
  })

  test('a name left by a dead actor is taken over', () => {
    const brain = named()
    kill(brain, A)
    brain.createActor('driver1', { actorId: B, name: 'c' })
    const holder = holderOf(A)
    expect(brain.show(brain.send({ kind: 'nameClaimed', actorId: B, holder }))).toEqual([
      "release name 'c' of actorA",
      "claim name 'c' for actorB",
    ])
  })

  test('takes what an earlier epoch of this node has left', () => {
    const brain = aBusyNode()
    brain.createActor('driver1', { actorId: B, name: 'c' })
    const holder = { ...holderOf(A), epoch: 0 }
    const effects = brain.show(brain.send({ kind: 'nameClaimed', actorId: B, holder }))
    expect(effects[0]).toBe("release name 'c' of actorA")
  })

  test('A2: death frees the name', () => {
    const brain = named()
    expect(kill(brain, A)).toContain("release name 'c' of actorA")
  })

  test('one that died while its claim was on the way frees the name after all', () => {
    const brain = aBusyNode()
    brain.createActor('driver1', { actorId: A, name: 'c' })
    kill(brain, A)
    const effects = brain.send({ kind: 'nameClaimed', actorId: A, holder: undefined })
    expect(brain.show(effects)).toEqual(["release name 'c' of actorA"])
  })

  test('findActor finds the living only, and says why there is none any more', () => {
    const brain = named()
    const find = (): string[] => {
      const request = brain.nextRequest()
      brain.send({ kind: 'findActor', request, name: 'c', namespace: 'default' })
      const holder = holderOf(A)
      const found = { kind: 'nameFound', request, name: 'c', namespace: 'default', holder } as const
      return brain.show(brain.send(found))
    }
    expect(find()).toEqual(['answer #2 actorA'])
    kill(brain, A)
    expect(find()).toMatchObject([
      expect.stringMatching(/^refuse #4 ActorNotFoundError: .* is dead since 0 s: .*kill\(\)/),
    ])
  })
})

describe('the end of a job', () => {
  test('ends its workers and actors, and keeps detached ones with what they need', () => {
    const brain = aBusyNode({ resources: { CPU: 3 } })
    brain.createActor('driver1', { actorId: A, detached: true })
    brain.createActor('driver1', { actorId: B })
    ready(brain, 'w1', A)
    ready(brain, 'w2', B)
    const effects = brain.show(brain.close('driver1'))
    expect(effects).toContain('→ w2: exit OVER')
    expect(effects).toContain('job job1 ended')
    expect(effects).not.toContain('→ w1: exit OVER')
    brain.exit('w2')
    expect(brain.state.actors.get(A)?.phase).toBe('ALIVE')
    kill(brain, A)
    brain.exit('w1')
    brain.exit('w3')
    expect(brain.state.jobs.size).toBe(0)
  })

  test('the last detached actor takes along those that workers made after the driver left', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, workersMax: 2 })
    brain.createActor('driver1', { actorId: A, detached: true })
    ready(brain, 'w1', A)
    brain.want('driver1', 0, 1, {})
    brain.hello('w2')
    brain.close('driver1')
    const { job1 } = Object.fromEntries(brain.state.jobs)
    expect(job1?.isWindingDown).toBe(false)
    // One that has its resources and waits for a worker, one that waits for resources.
    brain.createActor('w2', { actorId: B })
    brain.createActor('w2', { actorId: 'actorC' as ActorId })
    expect(brain.state.actors.get(B)?.phase).toBe('PENDING_CREATION')
    kill(brain, A)
    brain.exit('w1')
    for (const actorId of [B, 'actorC' as ActorId]) {
      expect(brain.state.actors.get(actorId)?.phase).toBe('DEAD')
      expect(brain.state.actors.get(actorId)?.error?.message).toContain('its job has ended')
    }
  })

  test('a raylet that was made for one driver leaves with it', () => {
    const brain = aBusyNode({ owned: true })
    expect(brain.show(brain.close('driver1'))).toContain('leave')
  })

  test('running tasks are asked to leave, then killed', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    expect(brain.show(brain.close('driver1'))).toContain('→ w1: exit OVER')
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    expect(brain.show(brain.tick(500))).toEqual(['SIGKILL w1'])
  })
})

function named(): Brain {
  const brain = aBusyNode({ resources: { CPU: 1 } })
  brain.createActor('driver1', { actorId: A, name: 'c' })
  brain.send({ kind: 'nameClaimed', actorId: A, holder: undefined })
  ready(brain, 'w1', A)
  return brain
}

function anyClass() {
  return {
    demand: units({ CPU: 1 }),
    strategy: { kind: 'DEFAULT' },
    labelSelectors: [],
    env: undefined,
    name: 'Counter',
    inspect: false,
    retriable: false,
  } as const
}
