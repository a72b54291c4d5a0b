// Leases: who gets a worker, in which turn, and what is asked back.
import { describe, expect, test } from 'vitest'
import type { ActorId, JobId, WorkerId } from '../../../runtime/common/ids.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aBusyNode, Brain, grantsOf, hexNodeId, units } from './brain.ts'

describe('leases', () => {
  test('as many workers as CPUs are started when a driver registers', () => {
    const brain = new Brain({ resources: { CPU: 3 } })
    const effects = brain.driver('driver1', 'job1')
    expect(effects.map((effect) => effect.kind)).toEqual(['spawn', 'spawn', 'spawn'])
  })

  test('leases wanted before a worker is ready are granted when it says hello', () => {
    const brain = new Brain({ resources: { CPU: 1 } })
    brain.driver('driver1', 'job1')
    expect(grantsOf(brain.want('driver1', 0, 5, {}))).toEqual([])
    expect(brain.show(brain.hello('w1'))).toEqual([
      '→ driver1: leaseGranted class 0, lease 1 at w1',
    ])
  })

  test('no more leases are granted than are wanted', () => {
    const brain = aBusyNode({ resources: { CPU: 4 } })
    expect(grantsOf(brain.want('driver1', 0, 3, {}))).toHaveLength(3)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('no more leases are granted than fit', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    expect(grantsOf(brain.want('driver1', 0, 100, {}))).toHaveLength(2)
    expect(brain.free()).toEqual({})
  })

  test('F25: nothing is granted once the GCS has not confirmed the node in time, until it does', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.send({ kind: 'confirmed', untilMs: 15_000 })
    brain.nowMs = 14_999
    expect(grantsOf(brain.want('driver1', 0, 1, {}))).toEqual([1])
    brain.nowMs = 15_000
    expect(grantsOf(brain.want('driver1', 0, 2))).toEqual([])
    brain.nowMs = 60_000
    expect(brain.state.leases.size).toBe(1) // what runs goes on
    expect(grantsOf(brain.send({ kind: 'confirmed', untilMs: 75_000 }))).toEqual([2])
  })

  test('GL1: one of several nodes grants nothing before the GCS has confirmed it once', () => {
    const [nodeId, totals] = [hexNodeId(), units({ CPU: 2 })]
    const view = new ClusterView([{ nodeId, totals, free: totals, labels: {} }], nodeId)
    const cluster = { view, random: seededRandom(1), shunned: new Map() }
    const brain = aBusyNode({ resources: { CPU: 2 }, cluster })
    brain.want('driver1', 0, 1, {})
    expect(brain.state.leases.size).toBe(0)
    brain.send({ kind: 'confirmed', untilMs: 15_000 })
    expect(brain.state.leases.size).toBe(1)
  })

  test('a returned lease frees its resources and its worker serves the next class', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const [lease = 0] = grantsOf(brain.want('driver1', 0, 1, {}))
    brain.want('driver1', 1, 1, { name: 'other' })
    brain.want('driver1', 0, 0)
    expect(brain.show(brain.giveBack('driver1', lease))).toEqual([
      '→ driver1: leaseGranted class 1, lease 2 at w1',
    ])
  })

  test('a lease returned twice, or by another client, frees nothing', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.driver('driver2', 'job2')
    const [lease = 0] = grantsOf(brain.want('driver1', 0, 1, {}))
    brain.giveBack('driver2', lease)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    brain.want('driver1', 0, 0)
    brain.giveBack('driver1', lease)
    brain.giveBack('driver1', lease)
    expect(brain.free()).toEqual(units({ CPU: 2 }))
  })

  test('a retired worker is asked to leave, and another is started for who waits', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const [lease = 0] = grantsOf(brain.want('driver1', 0, 2, {}))
    expect(brain.show(brain.giveBack('driver1', lease, true))).toEqual([
      '→ w1: exit SPENT',
      'spawn w2 for job1, cpus 1',
    ])
  })

  test('the death of a worker breaks its lease, with the exit told to the owner', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    expect(brain.show(brain.exit('w1', { signal: 'SIGSEGV', code: null }))).toEqual([
      '→ driver1: leaseBroken 1, CRASHED SIGSEGV',
      'spawn w2 for job1, cpus 1',
    ])
  })

  test('killLease kills the worker, and the exit says that it was killed', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    const killed = brain.send({ kind: 'killLease', client: brain.id('driver1'), leaseId: 1 })
    expect(brain.show(killed)).toEqual(['SIGKILL w1'])
    expect(brain.show(brain.exit('w1'))[0]).toBe('→ driver1: leaseBroken 1, KILLED SIGKILL')
  })

  test('jobs take turns, however much one of them wants', () => {
    const brain = aBusyNode({ resources: { CPU: 4 }, prestart: 0 })
    brain.driver('driver2', 'job2')
    // Nothing is free for both while the first takes all.
    const first = brain.want('driver1', 0, 100, {})
    expect(first.filter((effect) => effect.kind === 'spawn')).toHaveLength(2)
    brain.want('driver2', 0, 100, {})
    for (const name of ['w1', 'w2', 'w3', 'w4']) brain.hello(name)
    const held = { driver1: 0, driver2: 0 }
    for (let turn = 0; turn < 40; turn += 1) {
      const oldest = [...brain.state.leases.values()].find(
        (lease) => lease.worker?.phase === 'LEASED',
      )
      if (oldest?.class === undefined) continue
      brain.giveBack(oldest.class.client, oldest.leaseId)
      for (const name of brain.state.workers.keys()) {
        if (brain.state.workers.get(name)?.phase === 'STARTING')
          brain.send({
            kind: 'clientConnected',
            client: name,
            role: 'worker',
            pid: 9,
            address: '@',
            job: undefined,
          })
      }
    }
    for (const lease of brain.state.leases.values()) {
      if (lease.class?.client === 'driver1') held.driver1 += 1
      else held.driver2 += 1
    }
    expect(held).toEqual({ driver1: 2, driver2: 2 })
  })

  test('a worker of another job is never reused', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const started = brain.driver('driver2', 'job2').filter((effect) => effect.kind === 'spawn')
    expect(started).toHaveLength(1)
    expect(grantsOf(brain.want('driver2', 0, 1, {}))).toEqual([])
    expect(grantsOf(brain.hello('w2'))).toEqual([1])
  })

  test('a class with a runtime env of its own gets workers of its own', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    const effects = brain.want('driver1', 0, 1, { env: { envVars: { A: '1' } } })
    expect(brain.show(effects)).toEqual(['spawn w2 for job1, cpus 1'])
  })

  test('a class that demands four CPUs gets a worker whose libraries may use four threads', () => {
    const brain = aBusyNode({ resources: { CPU: 4 }, prestart: 1 })
    const effects = brain.want('driver1', 0, 1, { demand: units({ CPU: 4 }) })
    expect(brain.show(effects)).toEqual(['spawn w2 for job1, cpus 4'])
  })

  test('a lease that still waits for a worker ends when nobody wants it any more', () => {
    const brain = new Brain({ resources: { CPU: 1 } })
    brain.driver('driver1', 'job1')
    brain.want('driver1', 0, 1, {})
    expect(brain.free()).toEqual({})
    brain.want('driver1', 0, 0)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('GPU ids are given per lease, and shares of one GPU share its id', () => {
    const brain = aBusyNode({ resources: { CPU: 4, GPU: 2 } })
    const effects = brain.want('driver1', 0, 3, { demand: units({ CPU: 1, GPU: 0.5 }) })
    const ids = effects.flatMap((e) =>
      e.kind === 'notify' && e.type === 'leaseGranted' ? [e.message.gpuIds] : [],
    )
    expect(ids).toEqual([[0], [0], [1]])
    expect(grantsOf(brain.want('driver1', 1, 1, { demand: units({ CPU: 1, GPU: 1 }) }))).toEqual([])
  })
})

describe('what can never be placed', () => {
  test('a demand that the node never holds is refused, with the nearest miss named', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const effects = brain.show(
      brain.want('driver1', 0, 1, { demand: units({ GPU: 1 }), name: 'train' }),
    )
    expect(effects).toEqual([
      '→ driver1: classRefused class 0, ERR_INFEASIBLE: can never run here: needs GPU: 1, ' +
        'this node has 0. Ask for less, or start the cluster with more.',
    ])
  })

  test('hard affinity to another node is unschedulable, soft affinity runs here', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const elsewhere = { kind: 'NODE_AFFINITY', nodeId: 'ff', soft: false } as const
    const effects = brain.show(brain.want('driver1', 0, 1, { strategy: elsewhere }))
    expect(effects[0]).toContain('ERR_TASK_UNSCHEDULABLE')
    const soft = brain.want('driver1', 1, 1, { strategy: { ...elsewhere, soft: true } })
    expect(grantsOf(soft)).toHaveLength(1)
  })

  test('hard affinity to this node runs here, and is unschedulable when it is too small', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    const here = { kind: 'NODE_AFFINITY', nodeId: hexNodeId(), soft: false } as const
    expect(grantsOf(brain.want('driver1', 0, 1, { strategy: here }))).toHaveLength(1)
    const large = brain.want('driver1', 1, 1, { strategy: here, demand: units({ CPU: 3 }) })
    expect(brain.show(large)[0]).toContain('ERR_TASK_UNSCHEDULABLE')
  })

  test('label selectors are tried in order, the id of the node is a label', () => {
    const brain = aBusyNode({ resources: { CPU: 2 }, labels: { zone: 'a' } })
    const never = brain.want('driver1', 0, 1, { labelSelectors: [{ zone: 'b' }] })
    expect(brain.show(never)[0]).toContain('ERR_INFEASIBLE')
    const fallback = brain.want('driver1', 1, 1, {
      labelSelectors: [{ zone: 'b' }, { zone: '!b' }],
    })
    expect(grantsOf(fallback)).toHaveLength(1)
    const byId = brain.want('driver1', 2, 1, {
      labelSelectors: [{ 'virga.io/node-id': hexNodeId() }],
    })
    expect(grantsOf(byId)).toHaveLength(1)
  })

  test('workers that die again and again before they register are given up, and who waits hears why', () => {
    const brain = new Brain({ resources: { CPU: 1 }, prestart: 0 })
    brain.driver('driver1', 'job1')
    brain.want('driver1', 0, 1, {})
    brain.exit('w1', { code: 1, signal: null, stderrTail: ['no such option'] })
    brain.exit('w2', { code: 1, signal: null })
    const effects = brain.show(
      brain.exit('w3', { code: 9, signal: null, stderrTail: ['bad option: --x'] }),
    )
    expect(effects[0]).toContain('ERR_WORKER_CRASHED')
    expect(effects[0]).toContain('bad option: --x')
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })
})

describe('asking for leases back', () => {
  test('the lease held longest is asked for when another class has none', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 9, {})
    brain.nowMs += 10
    expect(brain.show(brain.want('driver1', 1, 1, { name: 'other' }))).toEqual([
      '→ driver1: reclaimLease 1',
    ])
  })

  test('it is asked for once, also when more comes to wait', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 9, {})
    brain.nowMs += 10
    brain.want('driver1', 1, 1, { name: 'other' })
    expect(brain.show(brain.want('driver1', 1, 5))).toEqual([])
    expect(brain.show(brain.tick(100))).toEqual([])
  })

  test('a lease granted only just now is asked for a moment later', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 9, {})
    expect(brain.want('driver1', 1, 1, { name: 'other' })).toEqual([])
    expect(brain.state.wakeAtMs).toBe(5)
    expect(brain.show(brain.tick(5))).toEqual(['→ driver1: reclaimLease 1'])
  })

  test('a class that has its share takes no more from one that has one more', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 9, {})
    brain.want('driver1', 1, 9, { name: 'other' })
    brain.tick(10)
    brain.giveBack('driver1', 1)
    expect(brain.show(brain.tick(10))).toEqual([])
  })

  test('a blocked lease is not asked for', () => {
    const brain = aBusyNode({ resources: { CPU: 1, disk: 1 } })
    brain.want('driver1', 0, 1, { demand: units({ CPU: 1, disk: 1 }) })
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    brain.nowMs += 10
    expect(brain.show(brain.want('driver1', 1, 1, { demand: units({ disk: 1 }) }))).toEqual([])
  })
})

describe('blocked workers', () => {
  test('a blocked worker gives its CPU back, and another runs in its place', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.want('w1', 0, 1, { name: 'nested' })
    const effects = brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    expect(brain.show(effects)).toEqual(['spawn w2 for job1, cpus 1'])
    expect(grantsOf(brain.hello('w2'))).toEqual([2])
  })

  test('it goes on at once, and what it takes is never freed twice', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.want('w1', 0, 1, { name: 'nested' })
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    brain.hello('w2')
    brain.unblock('w1', 1)
    expect(brain.free()).toEqual(units({ CPU: -1 }))
    brain.want('w1', 0, 0)
    brain.giveBack('w1', 2)
    expect(brain.free()).toEqual({})
    brain.want('driver1', 0, 0)
    brain.giveBack('driver1', 1)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('its GPU is not given back', () => {
    const brain = aBusyNode({ resources: { CPU: 1, GPU: 1 } })
    brain.want('driver1', 0, 1, { demand: units({ CPU: 1, GPU: 1 }) })
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })

  test('two waits of one worker give back once, and the last one takes again', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    brain.block('w1', 2, { taskId: 't1', on: [{ taskId: 't3' }] })
    brain.unblock('w1', 1)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
    brain.unblock('w1', 2)
    expect(brain.free()).toEqual({})
  })

  test('recursion of 200 levels on 2 CPUs gets its 200 workers', () => {
    const brain = aBusyNode({ resources: { CPU: 2 }, workersMax: 1024 })
    brain.want('driver1', 0, 1, {})
    for (let level = 1; level < 200; level += 1) {
      const name = workerOfNewestLease(brain)
      brain.want(name, 0, 1, {})
      brain.block(name, 1, {
        taskId: `t${String(level)}`,
        on: [{ taskId: `t${String(level + 1)}` }],
      })
      for (const worker of brain.state.workers.values()) {
        if (worker.phase === 'STARTING') {
          brain.send({
            kind: 'clientConnected',
            client: worker.workerId,
            role: 'worker',
            pid: 9,
            address: '@',
            job: undefined,
          })
        }
      }
    }
    expect(brain.state.leases.size).toBe(200)
    expect(brain.free()).toEqual(units({ CPU: 1 }))
  })
})

function workerOfNewestLease(brain: Brain): string {
  const newest = [...brain.state.leases.values()].at(-1)
  if (newest?.worker === undefined) throw new Error('the newest lease has no worker')
  return newest.worker.workerId
}

describe('options that differ from call to call', () => {
  test('R10: leave no class behind once nothing of them is wanted or leased', () => {
    const brain = aBusyNode({ resources: { CPU: 1, a: 1 } })
    const { classes } = brain.state.clients.get('driver1' as WorkerId) ?? {}
    for (let classId = 0; classId < 20; classId += 1) {
      const demand = units({ a: (classId + 1) / 100 })
      const [leaseId] = grantsOf(brain.want('driver1', classId, 1, { demand }))
      expect(classes?.size).toBe(1)
      brain.want('driver1', classId, 0)
      brain.giveBack('driver1', leaseId ?? 0)
      expect(classes?.size).toBe(0)
    }
    expect(brain.state.jobs.get('job1' as JobId)?.turns.size).toBe(0)
  })

  test('leave no pool behind that nobody uses, once there are many', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, workersMax: 8 })
    for (let i = 0; i < 100; i += 1) {
      brain.want('driver1', i, 1, { env: { envVars: { I: String(i) } } })
      brain.want('driver1', i, 0)
    }
    expect(brain.state.pools.size).toBeLessThanOrEqual(8 + 1)
  })
})

test('who watched an actor that was never made is forgotten when it leaves', () => {
  const brain = aBusyNode()
  const client = brain.id('driver1')
  brain.send({ kind: 'watchActor', client, request: 1, actorId: 'never' as ActorId })
  expect(brain.state.watchers.size).toBe(1)
  brain.close('driver1')
  expect(brain.state.watchers.size).toBe(0)
})
