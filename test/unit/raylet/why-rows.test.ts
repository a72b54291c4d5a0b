// `virga status --why`: each kind of waiter is named with its reason.
import { describe, expect, test } from 'vitest'
import type { ActorId, JobId } from '../../../runtime/common/ids.ts'
import type { ObjectStore, ObjectStoreStats, StoreWait } from '../../../runtime/objects/store.ts'
import { whyPending, whyRows, whyStore } from '../../../runtime/raylet/why-rows.ts'
import { aBusyNode, aClass, units, type Brain } from './brain.ts'

const why = (brain: Brain): unknown[] =>
  whyRows(brain.state, brain.nowMs).map((row) => [row['kind'], row['count'], row['why']])

const inGroup = { kind: 'PLACEMENT_GROUP', groupId: 'g1', bundleIndex: -1 } as const
const strategy = { ...inGroup, captureChildTasks: false }

describe('what waits says why', () => {
  test('tasks: for resources, with what is free of them', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 3, {})
    expect(why(brain)).toEqual([['task', 2, 'needs CPU: 1, 0 free']])
  })

  test('tasks: for memory, as it is read', () => {
    const brain = aBusyNode({ resources: { CPU: 2, memory: 2 ** 30 } })
    brain.want('driver1', 0, 2, { demand: units({ memory: 3 * 2 ** 28 }) })
    expect(why(brain)).toEqual([['task', 1, 'needs memory: 768 MiB, 256 MiB free']])
  })

  test('tasks of a group: for the group, or for its bundles', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.createGroup('driver1', { groupId: 'g1', bundles: [units({ CPU: 1 })] })
    brain.want('driver1', 1, 2, { strategy })
    expect(why(brain)).toEqual([
      ['task', 2, 'its placement group is not reserved yet'],
      ['group', 1, 'needs CPU: 1, 0 free'],
    ])
    brain.want('driver1', 0, 0)
    brain.giveBack('driver1', 1)
    expect(why(brain)).toEqual([['task', 1, 'the bundles of its placement group are in use']])
  })

  test('a task that holds the GPU its own child needs: what is lacking, and who waits', () => {
    const brain = aBusyNode({ resources: { CPU: 2, GPU: 1 } })
    const demand = units({ CPU: 1, GPU: 1 })
    brain.want('driver1', 0, 1, { demand, name: 'parent' })
    brain.want('w1', 0, 1, { demand, name: 'child' })
    brain.block('w1', 1, { taskId: 'parent', on: [{ taskId: 'child' }] })
    brain.tick(5000)
    expect(why(brain)).toEqual([
      ['task', 1, 'needs GPU: 1, 0 free'],
      ['get', 1, 'waits for child'],
    ])
  })

  test('a task without a worker, where tasks that wait have all: for those', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, workersMax: 1 })
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 'first', on: [{ taskId: 'other' }] })
    const reason = expect.stringContaining('the 1 workers that it may have at most') as string
    expect(why(brain)).toContainEqual(['task', 1, reason])
  })

  test('a full stream: for its reader, and it keeps its CPU meanwhile', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, { name: 'items' })
    brain.block('w1', 1, { taskId: 'items', forReader: true, on: [] })
    const reason = expect.stringContaining('waits for its reader') as string
    expect(why(brain)).toEqual([['stream', 1, reason]])
    expect(brain.free()).toEqual(units({}))
    brain.unblock('w1', 1)
    expect(why(brain)).toEqual([])
    expect(brain.free()).toEqual(units({}))
  })

  test('whoever has its resources: for its worker to start', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, prestart: 0 })
    brain.want('driver1', 0, 1, {})
    expect(why(brain)).toEqual([['task', 1, 'its worker is being started']])
  })

  test('an actor that is started again: that, and for what', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const scheduling = aClass({ name: 'Counter' })
    const actorId = 'A' as ActorId
    brain.createActor('driver1', { actorId, scheduling, maxRestarts: 1, defaultResources: false })
    brain.want('driver1', 0, 1, {})
    brain.exit('w1')
    const rows = why(brain)
    expect(rows).toContainEqual(['task', 1, 'needs CPU: 1, 0 free'])
    expect(rows).toContainEqual(['actor', 1, 'its worker is being started'])
    const actor = brain.state.actors.get(actorId)
    expect(actor?.phase).toBe('RESTARTING')
  })

  test('tasks in get and tasks that have not begun: for whom, those alike in one row', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 't1', name: 'sum', on: [{ taskId: 'part' }] })
    brain.block('w2', 1, { taskId: 't2', name: 'sum', on: [{ taskId: 'part' }] })
    const on = [{ taskId: 'sum' }, { taskId: 'other' }]
    brain.block('driver1', 2, { taskId: 't3', name: 'show', isDependency: true, on })
    expect(why(brain)).toEqual([
      ['get', 2, 'waits for part'],
      ['dependency', 1, 'waits for sum and 1 more'],
    ])
  })

  test('puts and reads: for room in the store, and since when', () => {
    const stats = { usedBytes: 90, pinnedBytes: 50, sizeBytes: 100 }
    const waiting = [
      { kind: 'put', count: 2, oldestMs: 70 },
      { kind: 'restore', count: 1, oldestMs: 30 },
    ] as const
    const store = (waits: readonly StoreWait[]): Pick<ObjectStore, 'stats' | 'waiting'> => ({
      stats: () => stats as ObjectStoreStats,
      waiting: () => [...waits],
    })
    const why = expect.stringContaining('90 of 100 bytes') as string
    expect(whyStore(store(waiting))).toMatchObject([
      { kind: 'object', name: 'put', count: 2, waitedMs: 70, why },
      { kind: 'object', name: 'read of what was spilled', count: 1, waitedMs: 30, why },
    ])
    expect(whyStore(store([]))).toEqual([])
  })

  test('what its owner has not asked anything for: for its arguments, or those before it', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const jobId = Buffer.from('job1' as JobId, 'latin1').toString('hex')
    const progress = [{ jobId, kind: 'task', name: 'show', pending: 4, running: 0 }]
    expect(whyPending(brain.state, progress)).toMatchObject([
      { kind: 'task', name: 'show', count: 4, why: expect.stringContaining('arguments') as string },
    ])
    brain.want('driver1', 0, 2, { name: 'show' })
    expect(whyPending(brain.state, progress)).toEqual([])
  })

  test('what waits at its owner is told although its job asks for other functions', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const jobId = Buffer.from('job1' as JobId, 'latin1').toString('hex')
    brain.want('driver1', 0, 2, { name: 'nap' })
    const pending = [
      { jobId, kind: 'task', name: 'nap', pending: 1, running: 0 },
      { jobId, kind: 'task', name: 'dependent', pending: 1, running: 0 },
      { jobId, kind: 'actor', name: 'Counter.add', pending: 2, running: 0 },
    ]
    expect(whyPending(brain.state, pending)).toMatchObject([
      { kind: 'task', name: 'dependent', count: 1 },
      {
        ...{ kind: 'call', name: 'Counter.add', count: 2 },
        why: expect.stringContaining('for its actor to be constructed') as string,
      },
    ])
  })

  test('tasks beside a placement group: that it has what they need', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const bundles = [units({ CPU: 2 })]
    brain.createGroup('driver1', { groupId: 'g1', name: 'training', bundles })
    brain.want('driver1', 0, 1, {})
    const reason = 'needs CPU: 1, 0 free, 2 reserved by the placement group training'
    expect(why(brain)).toEqual([['task', 1, reason]])
  })

  test('what was given a worker since its owner spoke last waits no more', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const jobId = Buffer.from('job1' as JobId, 'latin1').toString('hex')
    brain.want('driver1', 0, 2, { name: 'nap' })
    const nap = { jobId, kind: 'task', name: 'nap' }
    expect(whyPending(brain.state, [{ ...nap, pending: 2, running: 0 }])).toEqual([])
    expect(whyPending(brain.state, [{ ...nap, pending: 2, running: 1 }])).toMatchObject([
      { name: 'nap', count: 1 },
    ])
  })
})
