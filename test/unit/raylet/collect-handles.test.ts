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

  test('nobody is asked while nobody waits', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1 } })
    brain.createActor('driver1', { actorId: 'A' as ActorId, ...onGpu })
    expect(askedIn(brain, 5000)).toEqual([])
  })
})
