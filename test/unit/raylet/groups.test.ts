// Placement groups on one node: reserved whole, refused at once, removed with their users.
import { describe, expect, test } from 'vitest'
import type { ActorId, JobId } from '../../../runtime/common/ids.ts'
import { aBusyNode, aClass, grantsOf, units, type Brain } from './brain.ts'

const inGroup = (bundleIndex = -1) =>
  ({ kind: 'PLACEMENT_GROUP', groupId: 'g1', bundleIndex, captureChildTasks: false }) as const

function remove(brain: Brain): string[] {
  return brain.show(
    brain.send({ kind: 'removeGroup', request: brain.nextRequest(), groupId: 'g1' }),
  )
}

function wait(brain: Brain): string[] {
  return brain.show(brain.send({ kind: 'awaitGroup', request: brain.nextRequest(), groupId: 'g1' }))
}

const stateOf = (brain: Brain, groupId: string): string | undefined =>
  brain.state.groups.get(groupId)?.state

describe('a placement group', () => {
  test('reserves all its bundles at once', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 }), units({ CPU: 2 })] })
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    expect(wait(brain)).toEqual(['answer #2 done'])
  })

  test('waits while it does not fit, holding nothing, and is created when it does', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const [lease = 0] = grantsOf(brain.want('driver1', 0, 1, {}))
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 }), units({ CPU: 1 })] })
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    expect(wait(brain)).toEqual([])
    brain.want('driver1', 0, 0)
    expect(brain.show(brain.giveBack('driver1', lease))).toEqual(['answer #2 done'])
  })

  test('asks for the leases that are in its way', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 9, {})
    brain.nowMs += 10
    const bundles = [units({ CPU: 1 }), units({ CPU: 1 })]
    const effects = brain.show(brain.createGroup('driver1', { groupId: 'g1', bundles }))
    expect(effects).toEqual([
      'answer #1 done',
      '→ driver1: reclaimLease 1',
      '→ driver1: reclaimLease 2',
    ])
  })

  test('nobody is asked for leases of several bundles that only together would be enough', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    const bundles = [units({ CPU: 2 }), units({ CPU: 2 })]
    brain.createGroup('driver1', { groupId: 'g1', bundles })
    for (const bundleIndex of [0, 1]) {
      const scheduling = aClass({ name: 'Counter', strategy: inGroup(bundleIndex) })
      const actorId = `A${String(bundleIndex)}` as ActorId
      brain.createActor('driver1', { actorId, scheduling, defaultResources: false })
    }
    brain.want('driver1', 0, 2, { strategy: inGroup() })
    brain.nowMs += 10
    const large = { demand: units({ CPU: 2 }), name: 'large', strategy: inGroup() }
    const asked = brain.show(brain.want('driver1', 1, 1, large))
    expect(brain.state.leases.size).toBe(4)
    expect(asked.filter((line) => line.includes('reclaim'))).toEqual([])
  })

  test('of several bundles, the one that needs the fewest leases back is asked', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    const bundles = [units({ CPU: 2 }), units({ CPU: 2 })]
    brain.createGroup('driver1', { groupId: 'g1', bundles })
    brain.want('driver1', 0, 2, { strategy: inGroup(0) })
    const [last = 0] = grantsOf(brain.want('driver1', 1, 1, { strategy: inGroup(1) }))
    brain.nowMs += 10
    const large = { demand: units({ CPU: 2 }), name: 'large', strategy: inGroup() }
    const asked = brain.show(brain.want('driver1', 2, 1, large))
    expect(asked.filter((line) => line.includes('reclaim'))).toEqual([
      `→ driver1: reclaimLease ${String(last)}`,
    ])
  })

  test('that can never fit is refused at once', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const create = (strategy: 'PACK' | 'STRICT_SPREAD', bundles: number) =>
      brain.show(
        brain.createGroup('driver1', {
          groupId: 'g1',
          strategy,
          bundles: Array.from({ length: bundles }, () => units({ CPU: 1 })),
        }),
      )
    expect(create('PACK', 3)[0]).toContain('refuse #1 InfeasibleError')
    expect(create('STRICT_SPREAD', 2)[0]).toContain(
      'STRICT_SPREAD needs a node for each of 2 bundles',
    )
    expect(create('STRICT_SPREAD', 1)[0]).toBe('answer #3 done')
  })

  test('its users draw from the bundle they name, any bundle for -1', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 }), units({ CPU: 1 })] })
    expect(grantsOf(brain.want('driver1', 0, 9, { strategy: inGroup(0) }))).toHaveLength(1)
    expect(grantsOf(brain.want('driver1', 1, 9, { strategy: inGroup() }))).toHaveLength(1)
    expect(brain.free()).toEqual(units({ CPU: 2 }))
  })

  test('a demand larger than every bundle is infeasible', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 }), units({ CPU: 1 })] })
    const effects = brain.want('driver1', 0, 1, { strategy: inGroup(), demand: units({ CPU: 2 }) })
    expect(brain.show(effects)[0]).toContain('ERR_INFEASIBLE')
  })

  test('a GPU of the node is the GPU of its bundle', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 2 } })
    brain.want('driver1', 0, 1, { demand: units({ GPU: 1 }) })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1, GPU: 1 })] })
    const demand = units({ CPU: 1, GPU: 1 })
    const [granted] = brain.want('driver1', 1, 1, { demand, strategy: inGroup() }).slice(-1)
    expect(granted).toMatchObject({ message: { gpuIds: [1] } })
  })

  test('a blocked worker in a bundle gives its CPU to the bundle, not to the node', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 })] })
    brain.want('driver1', 0, 1, { strategy: inGroup() })
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    expect(grantsOf(brain.want('w1', 0, 1, { strategy: inGroup() }))).toHaveLength(1)
  })

  test('removing it kills its users, tells why first, and frees all', () => {
    const brain = aBusyNode({ resources: { CPU: 3 } })
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 2 })] })
    brain.want('driver1', 0, 1, { strategy: inGroup() })
    brain.createActor('driver1', {
      actorId: 'actorA' as ActorId,
      scheduling: aClass({ strategy: inGroup(), name: 'Counter' }),
      defaultResources: false,
    })
    const effects = remove(brain)
    expect(effects[0]).toContain('classRefused class 0, ERR_PLACEMENT_GROUP_REMOVED')
    expect(effects.slice(1)).toEqual(['SIGKILL w1', 'SIGKILL w2', 'answer #3 done'])
    expect(brain.free()).toEqual(units({ CPU: 3 }))
    brain.exit('w1')
    brain.exit('w2')
    expect(brain.free()).toEqual(units({ CPU: 3 }))
    expect(brain.state.actors.get('actorA' as ActorId)?.error?.code).toBe(
      'ERR_PLACEMENT_GROUP_REMOVED',
    )
  })

  test('work for a removed group is refused, and so is waiting for it', () => {
    const brain = aBusyNode()
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 })] })
    remove(brain)
    expect(brain.show(brain.want('driver1', 0, 1, { strategy: inGroup() }))[0]).toContain(
      'ERR_PLACEMENT_GROUP_REMOVED',
    )
    expect(wait(brain)[0]).toContain('PlacementGroupRemovedError')
  })

  test('who waits for it hears when it is removed before it was ever reserved', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 })] })
    wait(brain)
    expect(remove(brain)[0]).toContain('refuse #2 PlacementGroupRemovedError')
  })

  test('it ends with its job, unless it is detached', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.driver('driver2', 'job2')
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 })] })
    brain.createGroup('driver1', { groupId: 'g2', bundles: [units({ CPU: 1 })], detached: true })
    brain.close('driver1')
    expect([...brain.state.groups.keys()]).toEqual(['g2'])
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    expect(brain.state.groups.get('g2')?.spec.jobId).toBe('job1' as JobId)
  })

  describe('that needs the whole node, beside small ones', () => {
    const removeGroup = (brain: Brain, groupId: string): void => {
      brain.send({ kind: 'removeGroup', request: brain.nextRequest(), groupId })
    }
    const small = (brain: Brain, groupId: string): void => {
      brain.createGroup('driver1', { groupId, bundles: [units({ CPU: 1 })] })
    }
    /** Two fill the node, and a third has overtaken the large one when that had waited so long. */
    function overtaken(waitedMs = 40): Brain {
      const brain = aBusyNode({ resources: { CPU: 2 } })
      small(brain, 's1')
      small(brain, 's2')
      brain.createGroup('driver1', { groupId: 'large', bundles: [units({ CPU: 2 })] })
      brain.tick(waitedMs)
      removeGroup(brain, 's1')
      small(brain, 's3')
      expect(stateOf(brain, 's3')).toBe('CREATED')
      return brain
    }

    test('has its turn before those that were asked for later (GT1)', () => {
      const brain = overtaken()
      brain.tick(20)
      removeGroup(brain, 's2')
      small(brain, 's4')
      expect(stateOf(brain, 's4')).toBe('PENDING')
      removeGroup(brain, 's3')
      expect([stateOf(brain, 'large'), stateOf(brain, 's4')]).toEqual(['CREATED', 'PENDING'])
      removeGroup(brain, 'large')
      expect(stateOf(brain, 's4')).toBe('CREATED')
    })

    test('keeps a node idle for seconds at most, however long it has waited (GT2)', () => {
      const brain = overtaken(1_800_000)
      removeGroup(brain, 's2')
      small(brain, 's4')
      expect(stateOf(brain, 's4')).toBe('PENDING')
      brain.tick(5_000)
      expect([stateOf(brain, 'large'), stateOf(brain, 's4')]).toEqual(['PENDING', 'CREATED'])
    })

    test('keeps nothing free for itself where one that overtook it is held for long (GT2)', () => {
      const brain = overtaken()
      removeGroup(brain, 's2')
      small(brain, 's4')
      brain.tick(39)
      expect(stateOf(brain, 's4')).toBe('PENDING')
      brain.tick(1)
      expect([stateOf(brain, 'large'), stateOf(brain, 's4')]).toEqual(['PENDING', 'CREATED'])
    })
  })
})
