// What a step costs must not grow with the workers, actors and leases that it does not concern.
// Costs are compared with each other, as the best of three: a busy machine slows all of them.
import { expect, test, vi } from 'vitest'
import type { ActorId, JobId, WorkerId } from '../../../runtime/common/ids.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import { aJob } from '../../support/a-driver.ts'
import { aClass, anActor, NODE_ID, units, type Stimulus } from './brain.ts'

const DRIVER = 'driver1' as WorkerId

/** As Brain, without check(), which walks over everything. */
class Node {
  readonly state: RayletState
  readonly #hellos: Stimulus[] = []
  steps = 0
  /** Placement reads them each time. */
  labelsReadCount = 0

  constructor() {
    const countRead = (): void => {
      this.labelsReadCount += 1
    }
    this.state = createState({
      nodeId: NODE_ID,
      epoch: 1,
      totals: units({ CPU: 4 }),
      get labels() {
        countRead()
        return {}
      },
      cpuCount: 4,
      workersMax: 10_000,
      owned: false,
      isGcsHost: true,
    })
    const job = aJob({ jobId: 'job1' as JobId, name: 'a job', namespace: 'default' })
    this.send({
      kind: 'clientConnected',
      client: DRIVER,
      role: 'driver',
      pid: 1,
      address: '@',
      job,
    })
    this.settle()
  }

  send(stimulus: Stimulus): void {
    this.steps += 1
    for (const effect of step(this.state, { ...stimulus, nowMs: 0 })) {
      if (effect.kind !== 'spawn') continue
      const client = effect.start.workerId
      const who = { client, role: 'worker', pid: 9, address: '@' } as const
      this.#hellos.push({ kind: 'clientConnected', ...who, job: undefined })
    }
  }

  /** Every worker that was started says hello, until no more are. */
  settle(): void {
    for (let next = this.#hellos.shift(); next !== undefined; next = this.#hellos.shift()) {
      this.send(next)
    }
  }

  startActors(count: number): void {
    const scheduling = aClass({ name: 'Counter', demand: {} })
    for (let i = 0; i < count; i += 1) {
      const spec = anActor({ actorId: `actor${String(i)}` as ActorId, scheduling })
      this.send({ kind: 'createActor', client: DRIVER, request: i + 1, spec })
    }
    this.settle()
  }
}

/** CPU per step, in microseconds, of the best of three runs. */
function costOf(play: () => Node, measured: (node: Node) => void): number {
  const costs = [1, 2, 3].map(() => {
    const node = play()
    const steps = node.steps
    const before = process.cpuUsage()
    measured(node)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / (node.steps - steps)
  })
  return Math.min(...costs)
}

test('starting 1,000 actors costs about as much per actor as starting 50', () => {
  const fewer = costOf(
    () => new Node(),
    (node) => {
      for (let i = 0; i < 20; i += 1) node.startActors(50)
    },
  )
  const more = costOf(
    () => new Node(),
    (node) => {
      node.startActors(1_000)
    },
  )
  // It was 100 times as much when each step walked over all workers for each lease.
  expect(more).toBeLessThan(10 * fewer)
})

test('a class that is known wants more without being judged anew', () => {
  const node = new Node()
  node.send({ kind: 'wantLeases', client: DRIVER, classId: 0, count: 1, spec: aClass() })
  const readCount = node.labelsReadCount
  expect(readCount).toBeGreaterThan(0)
  node.send({ kind: 'wantLeases', client: DRIVER, classId: 0, count: 2, spec: undefined })
  expect(node.labelsReadCount).toBe(readCount)
})

/** How often a step reads the bundles of groups that wait, when there are so many of one shape. */
function readsOfBundles(groupCount: number): number {
  const node = new Node()
  let reads = 0
  const bundles = new Proxy([units({ CPU: 3 }), units({ CPU: 1 })], {
    get: (target, name, receiver): unknown => {
      reads += 1
      return Reflect.get(target, name, receiver)
    },
  })
  const demand = units({ CPU: 1 })
  node.send({ kind: 'wantLeases', client: DRIVER, classId: 0, count: 1, spec: aClass({ demand }) })
  for (let i = 0; i < groupCount; i += 1) {
    const named = { groupId: `g${String(i)}`, name: 'a group', jobId: 'job1' as JobId }
    const spec = { ...named, bundles, strategy: 'PACK', detached: false } as const
    node.send({ kind: 'createGroup', client: DRIVER, request: i, spec })
  }
  reads = 0
  node.send({ kind: 'tick' })
  return reads
}

test('of groups that wait for more than is free a step looks at no bundle', () => {
  expect(readsOfBundles(50)).toBe(0)
})

test('R11: who leaves, and jobs that have ended, look at no actors but their own', () => {
  const node = new Node()
  const maker = 'driver2' as WorkerId
  const jobId = 'job2' as JobId
  const job = aJob({ jobId, name: 'ends', namespace: 'default' })
  const address = '@'
  node.send({ kind: 'clientConnected', client: maker, role: 'driver', pid: 2, address, job })
  const scheduling = aClass({ name: 'Counter', demand: {} })
  const specs = [true, false].map((detached, i) =>
    anActor({ actorId: `of2-${String(i)}` as ActorId, jobId, owner: maker, scheduling, detached }),
  )
  for (const [i, spec] of specs.entries()) {
    node.send({ kind: 'createActor', client: maker, request: 90 + i, spec })
  }
  node.startActors(1)
  const walked = vi.spyOn(node.state.actors, 'values')
  node.send({ kind: 'clientClosed', client: maker })
  node.send({ kind: 'clientClosed', client: DRIVER })
  expect(walked).not.toHaveBeenCalled()
  const areEnding = [...node.state.actors.values()].map(({ ending }) => ending !== undefined)
  expect(areEnding).toEqual([false, true, true])
  expect(node.state.jobs.get(jobId)?.endedAtMs).toBe(0)
})
