// Resources kept for whoever waits longest, so that large demands are not starved.
import { describe, expect, test } from 'vitest'
import type { ActorId } from '../../../runtime/common/ids.ts'
import { aBusyNode, aClass, grantsOf, units, type Brain } from './brain.ts'

/** Returns the oldest lease of class 0 and lets `ms` pass; what is granted then, by class. */
function returnOldest(brain: Brain, ms: number): number[] {
  const oldest = [...brain.state.leases.values()].find((lease) => lease.class?.classId === 0)
  if (oldest === undefined) return []
  brain.nowMs += ms
  const before = new Set(brain.state.leases.values())
  brain.giveBack('driver1', oldest.leaseId)
  return [...brain.state.leases.values()]
    .filter((lease) => !before.has(lease))
    .map((lease) => lease.class?.classId ?? -1)
}

describe('large demands', () => {
  test('get their turn among small ones that never end', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1000, {})
    brain.want('driver1', 1, 1, { demand: units({ CPU: 2 }), name: 'large' })
    // At first the small ones go on.
    expect(returnOldest(brain, 10)).toEqual([0])
    // Once it has waited, what comes free adds up for the large one.
    expect(returnOldest(brain, 100)).toEqual([])
    expect(returnOldest(brain, 1)).toEqual([1])
  })

  test('do not hold back whoever has nothing: a task that waits sees its children run', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 2, {})
    brain.want('driver1', 1, 1, { demand: units({ CPU: 2 }), name: 'large' })
    brain.tick(200)
    brain.want('w1', 0, 1, { name: 'child' })
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    expect([...brain.state.leases.values()].at(-1)?.spec.name).toBe('child')
  })

  test('reserve only what they lack', () => {
    const brain = aBusyNode({ resources: { CPU: 4, GPU: 1 } })
    brain.want('driver1', 0, 2, {})
    brain.want('driver1', 1, 1, { demand: units({ GPU: 1 }), name: 'holder' })
    brain.want('driver1', 2, 1, { demand: units({ CPU: 1, GPU: 1 }), name: 'starving' })
    brain.tick(200)
    expect(grantsOf(brain.want('driver1', 0, 3))).toHaveLength(1)
  })

  test('a group that waits for the whole node gets it', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1000, {})
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 }), units({ CPU: 1 })] })
    expect(returnOldest(brain, 100)).toEqual([])
    returnOldest(brain, 1)
    expect(brain.state.groups.get('g1')?.state).toBe('CREATED')
  })

  test('nobody is asked for leases that would not be enough', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const scheduling = aClass({ name: 'Counter' })
    brain.createActor('driver1', { actorId: 'A' as ActorId, scheduling, defaultResources: false })
    brain.want('driver1', 0, 1, {})
    brain.nowMs += 10
    const effects = brain.want('driver1', 1, 1, { demand: units({ CPU: 2 }), name: 'large' })
    expect(brain.show(effects).filter((line) => line.includes('reclaim'))).toEqual([])
  })
})
