// A driver ends, and a detached actor of its job goes on at another node: what this node has for
// that actor goes on. One brain, whose node is one of three.
import { expect, test } from 'vitest'
import type { JobId, WorkerId } from '../../../runtime/common/ids.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aClass, aDriversJob, Brain, hexNodeId } from './brain.ts'

const JOB = 'job1' as JobId
/** By the connections of their homes. */
const GUESTS = { driver: 1, actor: 2 } as const
type Guest = keyof typeof GUESTS

function aMember(): Brain {
  const view = new ClusterView([], hexNodeId())
  const cluster = { view, random: seededRandom(1), shunned: new Map<string, number>() }
  const brain = new Brain({ resources: { CPU: 4 }, prestart: 0, cluster })
  brain.send({ kind: 'confirmed', untilMs: Infinity })
  return brain
}

/** One lease for it, with a worker of that name. */
function lease(brain: Brain, guest: Guest, worker: string): number {
  const [client, driver] = [guest, 'driver'] as WorkerId[] as [WorkerId, WorkerId]
  const job = aDriversJob(JOB)
  const owner = { role: 'worker', address: `@${guest}`, job, driver, drivenAt: '0b' } as const
  const wanted = { classId: 0, spec: aClass(), count: 1, known: 0, hops: 1 }
  brain.send({
    ...{ kind: 'leasesAsked', link: GUESTS[guest], request: brain.nextRequest() },
    message: { client, owner, ...wanted },
  })
  brain.hello(worker)
  const [held] = brain.state.clients.get(client)?.leases ?? []
  if (held === undefined) throw new Error('it has no lease')
  return held.leaseId
}

const leave = (brain: Brain, guest: Guest): RayletEffect[] =>
  brain.send({ kind: 'guestLeft', link: GUESTS[guest], client: guest as WorkerId })

/** Who is asked to exit, and what becomes of the job. */
const seen = (brain: Brain, effects: readonly RayletEffect[]): string[] =>
  brain.show(effects).filter((line) => line.includes('exit') || line.includes(JOB))

const exited = (brain: Brain, worker: string): RayletEffect[] => {
  brain.close(worker)
  return brain.exit(worker)
}

test('EJ1: tasks of a detached actor elsewhere run on as the driver ends, until no such actor is left', () => {
  const brain = aMember()
  lease(brain, 'driver', 'w1')
  lease(brain, 'actor', 'w2')
  const told = seen(brain, leave(brain, 'driver'))
  expect(told).toContain('→ w1: exit ORPHANED')
  expect(told).toContain('job1 is watched')
  expect(told).not.toContain('→ w2: exit OVER')
  exited(brain, 'w1')
  expect(brain.state.leases.size).toBe(1)
  expect(seen(brain, brain.send({ kind: 'jobOver', jobId: JOB }))).toEqual(['→ w2: exit OVER'])
  const gone = exited(brain, 'w2').filter(({ kind }) => kind === 'jobForgotten')
  expect(gone).toMatchObject([{ isHome: false, end: 'OVER' }])
})

test('the job ends at once where its last guest leaves, and what it made is kept until it is over', () => {
  const brain = aMember()
  lease(brain, 'driver', 'w1')
  lease(brain, 'actor', 'w2')
  leave(brain, 'driver')
  exited(brain, 'w1')
  leave(brain, 'actor')
  const gone = exited(brain, 'w2').filter(({ kind }) => kind === 'jobForgotten')
  expect(gone).toMatchObject([{ isHome: false, end: 'ENDED' }])
  expect(brain.state.jobs.size).toBe(0)
})

test('EJ1: so does a worker that owns what others hold, as long as they do', () => {
  const brain = aMember()
  const leaseId = lease(brain, 'driver', 'w1')
  brain.owning('w1')
  brain.giveBack('driver', leaseId)
  expect(seen(brain, leave(brain, 'driver'))).toContain('job1 is watched')
  expect(brain.state.workers.get(brain.id('w1'))?.phase).toBe('IDLE')
  expect(seen(brain, brain.owning('w1', false))).toEqual(['→ w1: exit OVER'])
})

test('EJ1: at the home of the job as well', () => {
  const brain = aMember()
  brain.driver('driver', JOB)
  brain.send({
    ...{ kind: 'leasesAsked', link: 2, request: brain.nextRequest() },
    message: {
      ...{ client: 'actor' as WorkerId, classId: 0, spec: aClass(), count: 1, known: 0, hops: 1 },
      owner: {
        ...{ role: 'worker', address: '@actor', job: aDriversJob(JOB) },
        ...{ driver: 'driver' as WorkerId, drivenAt: hexNodeId() },
      },
    },
  })
  brain.hello('w1')
  expect(seen(brain, brain.close('driver'))).toContain('job1 is watched')
  expect(brain.state.leases.size).toBe(1)
  expect(seen(brain, leave(brain, 'actor'))).toContain('→ w1: exit ORPHANED')
  const gone = exited(brain, 'w1').filter(({ kind }) => kind === 'jobForgotten')
  expect(gone).toMatchObject([{ isHome: true, end: 'ENDED' }])
})

test('a guest that comes once more does not undo the end of its driver', () => {
  const brain = aMember()
  lease(brain, 'driver', 'w1')
  const leaseId = lease(brain, 'actor', 'w2')
  leave(brain, 'driver')
  exited(brain, 'w1')
  brain.giveBack('actor', leaseId)
  brain.send({ kind: 'guestLinkClosed', link: GUESTS.actor })
  expect(brain.state.workers.get(brain.id('w2'))?.phase).toBe('EXITING')
  lease(brain, 'actor', 'w3')
  expect(brain.state.jobs.get(JOB)).toMatchObject({ isWindingDown: false, driverEnded: true })
  expect(seen(brain, brain.send({ kind: 'jobOver', jobId: JOB }))).toContain('→ w3: exit OVER')
})
