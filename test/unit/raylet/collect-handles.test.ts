// An actor that nobody can reach any more makes room for whoever waits for what it holds.
import { describe, expect, test } from 'vitest'
import type { ActorId } from '../../../runtime/common/ids.ts'
import { aBusyNode, aClass, units, type Brain } from './brain.ts'

const onGpu = { scheduling: aClass({ demand: units({ GPU: 1 }) }), defaultResources: false }

/** What is asked of owners as `ms` pass without any other event. */
function askedIn(brain: Brain, ms: number): string[] {
  return brain.show(brain.tick(ms)).filter((line) => line.includes('collectHandles'))
}

describe('somebody waits for what an actor holds', () => {
  test('its creator is asked to collect garbage, again and again', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1 } })
    brain.createActor('driver1', { actorId: 'A' as ActorId, ...onGpu })
    brain.createActor('driver1', { actorId: 'B' as ActorId, ...onGpu })
    expect(brain.state.wakeAtMs).toBe(1000)
    expect(askedIn(brain, 500)).toEqual([])
    expect(askedIn(brain, 500)).toHaveLength(1)
    expect(askedIn(brain, 500)).toEqual([])
    expect(askedIn(brain, 500)).toHaveLength(1)
  })

  test('nobody is asked for an actor that was made to stay, or that holds something else', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1, disk: 1 } })
    brain.createActor('driver1', { actorId: 'A' as ActorId, ...onGpu, detached: true })
    const scheduling = aClass({ demand: units({ disk: 1 }) })
    brain.createActor('driver1', { actorId: 'B' as ActorId, ...onGpu, scheduling })
    brain.createActor('driver1', { actorId: 'C' as ActorId, ...onGpu })
    expect(askedIn(brain, 1000)).toEqual([])
  })

  test('the owner of a task that waits for a reader is asked, and of no other task', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 1, 1, {})
    brain.driver('driver2', 'job2')
    brain.want('driver2', 1, 1, {})
    expect(askedIn(brain, 2000)).toEqual([])
    brain.block('w1', 7, { taskId: 'T', on: [], forReader: true })
    expect(askedIn(brain, 1000)).toEqual([expect.stringContaining('driver1')])
  })

  test('that owner is asked, too, when it is its own next task that waits', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 1, 2, {})
    brain.block('w1', 7, { taskId: 'T', on: [], forReader: true })
    expect(askedIn(brain, 2000)).toEqual([expect.stringContaining('driver1')])
  })

  test('nobody is asked while nobody waits', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1 } })
    brain.createActor('driver1', { actorId: 'A' as ActorId, ...onGpu })
    expect(askedIn(brain, 5000)).toEqual([])
  })
})
