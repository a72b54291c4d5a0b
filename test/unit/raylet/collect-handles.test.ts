// An actor that nobody can reach any more makes room for whoever waits for what it holds.
import { describe, expect, test } from 'vitest'
import type { ActorId, WorkerId } from '../../../runtime/common/ids.ts'
import { aBusyNode, aClass, units, type Brain } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

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

describe('of two nodes', () => {
  const cpus = (...counts: number[]): SeveralBrains =>
    new SeveralBrains(counts.map((CPU) => ({ resources: units({ CPU }) })))

  /** The task that has a lease of the driver on the second node waits for the reader of its stream. */
  function unreadThere(brains: SeveralBrains): void {
    const [client] = brains.at(1).state.workers.keys()
    const wait = { client: client as WorkerId, waitId: 1, taskId: 'T', actorId: undefined, on: [] }
    const event = { kind: 'blocked', ...wait, limit: undefined, name: 'numbers', forReader: true }
    brains.send(brains.at(1), event as Parameters<typeof brains.send>[1])
    brains.settle()
  }

  const collecting = (brains: SeveralBrains): readonly string[] => brains.at(0).collecting

  test('the owner of a stream that the other one makes is asked when its next task waits', () => {
    const brains = cpus(0, 1)
    brains.driver('d')
    brains.want('d', 1)
    unreadThere(brains)
    brains.tick(1000)
    brains.tick(1000)
    expect(collecting(brains)).toEqual([]) // nobody waits
    brains.want('d', 2)
    brains.tick(1000)
    expect(collecting(brains)).toEqual(['d'])
    brains.tick(1000)
    expect(collecting(brains)).toEqual(['d', 'd'])
  })

  test('it is asked when somebody else of its node waits for what that holds', () => {
    const brains = cpus(0, 1)
    brains.driver('d')
    brains.want('d', 1)
    unreadThere(brains)
    brains.driver('e')
    brains.want('e', 1)
    brains.tick(1000)
    brains.tick(1000)
    expect(new Set(collecting(brains))).toEqual(new Set(['d']))
  })

  test('a node with an actor on the other one sleeps while nobody waits', () => {
    const brains = cpus(1, 1)
    brains.driver('d')
    const { state } = brains.at(0)
    const made = { owner: 'd' as WorkerId, nodeId: 'other', demand: units({ CPU: 1 }) }
    state.cluster?.actors.made.set('A' as ActorId, made)
    brains.tick(1000)
    const asleep = state.wakeAtMs
    brains.want('d', 3)
    brains.tick(1000)
    expect([asleep, state.wakeAtMs < Infinity]).toEqual([Infinity, true])
  })

  test('it is not asked while the other node has room for more of the kind', () => {
    const brains = cpus(0, 2)
    brains.driver('d')
    brains.want('d', 1)
    unreadThere(brains)
    brains.tick(1000)
    brains.tick(1000)
    expect(collecting(brains)).toEqual([])
  })
})
