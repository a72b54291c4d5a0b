// Random programs of clients, workers, actors and groups: check() holds after every step, and when
// all is over nothing is held. A failure prints the program; the seed replays it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ActorId, JobId, WorkerId } from '../../../runtime/common/ids.ts'
import { workerlessOf } from '../../../runtime/raylet/pools.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { aClass, Brain, units } from './brain.ts'

type Op = readonly [verb: number, a: number, b: number]

const DEMANDS = [
  { CPU: 1 },
  { CPU: 2 },
  { GPU: 0.5 },
  { CPU: 1, GPU: 1 },
  { CPU: 0.5 },
  {},
] as const

/** Picks one of the things that are there, if any. */
function pick<T>(from: Iterable<T>, index: number): T | undefined {
  const all = [...from]
  return all.length === 0 ? undefined : all[index % all.length]
}

/** A world around the brain that behaves as real processes would, at random times. */
class World {
  readonly brain = new Brain({ resources: { CPU: 3, GPU: 2 }, workersMax: 12 })
  readonly #dying = new Set<WorkerId>()
  #actorCount = 0
  #driverCount = 0
  #waitCount = 0

  run(op: Op): void {
    const [verb, a, b] = op
    const action = ACTIONS[verb % ACTIONS.length]
    action?.(this, a, b)
  }

  send(effects: readonly RayletEffect[]): void {
    // DR1: once draining, nothing new is begun.
    if (this.brain.state.draining) {
      expect(effects.filter(beginsSomething)).toEqual([])
      expect([...workerlessOf(this.brain.state)]).toEqual([])
    }
    for (const effect of effects) if (effect.kind === 'signal') this.#dying.add(effect.worker)
  }

  connectDriver(): void {
    if (this.#driverCount >= 4) return
    this.#driverCount += 1
    this.send(
      this.brain.driver(`driver${String(this.#driverCount)}`, `job${String(this.#driverCount)}`),
    )
  }

  register(index: number): void {
    const starting = [...this.brain.state.workers.values()].filter((w) => w.phase === 'STARTING')
    const worker = pick(starting, index)
    if (worker !== undefined) this.send(this.brain.send(helloOf(worker.workerId)))
  }

  /** A process ends: of those that were told to first, so that kills are not forgotten. */
  exit(index: number): void {
    const { state } = this.brain
    const workerId = pick(this.#dying, index) ?? pick(state.workers.keys(), index)
    if (workerId === undefined) return
    this.#dying.delete(workerId)
    if (state.clients.has(workerId) && index % 2 === 0) {
      this.send(this.brain.send({ kind: 'clientClosed', client: workerId }))
    }
    const exit = {
      workerId,
      pid: 1,
      code: null,
      signal: 'SIGKILL',
      peakRssBytes: 0,
      stderrTail: [],
    }
    this.send(this.brain.send({ kind: 'workerExited', exit }))
    if (state.clients.has(workerId))
      this.send(this.brain.send({ kind: 'clientClosed', client: workerId }))
  }

  createActor(client: WorkerId, shape: number): void {
    const jobId = this.brain.state.clients.get(client)?.jobId
    if (jobId === undefined) return
    const actorId = `actor${String(this.#actorCount++)}` as ActorId
    const explicit = shape % 2 === 0
    this.send(
      this.brain.createActor(client, {
        actorId,
        jobId,
        maxRestarts: shape % 3,
        detached: shape % 5 === 0,
        defaultResources: !explicit,
        scheduling: aClass({
          name: 'A',
          demand: explicit ? units(demandOf(shape)) : units({ CPU: 1 }),
        }),
      }),
    )
  }

  block(client: WorkerId, index: number): void {
    const waitId = this.#waitCount++
    const on = [{ taskId: `t${String(index % 7)}` }]
    this.send(this.brain.block(client, waitId, { taskId: `t${String(index % 5)}`, on }))
  }

  createGroup(index: number, jobId: JobId): void {
    const groupId = `g${String(index % 5)}`
    if (this.brain.state.groups.has(groupId)) return
    const bundles = Array.from({ length: 1 + (index % 2) }, () => units({ CPU: 1 }))
    const owner = pick(this.brain.state.clients.keys(), index)
    if (owner !== undefined) this.send(this.brain.createGroup(owner, { groupId, jobId, bundles }))
  }
}

const beginsSomething = (effect: RayletEffect): boolean =>
  effect.kind === 'spawn' ||
  (effect.kind === 'notify' && (effect.type === 'leaseGranted' || effect.type === 'startActor'))

const demandOf = (index: number): Readonly<Record<string, number>> =>
  DEMANDS[index % DEMANDS.length] ?? {}

const helloOf = (client: WorkerId) =>
  ({
    kind: 'clientConnected',
    client,
    role: 'worker',
    pid: 9,
    address: '@',
    job: undefined,
  }) as const

const ACTIONS: readonly ((world: World, a: number, b: number) => void)[] = [
  (world) => {
    world.connectDriver()
  },
  (world, a) => {
    world.register(a)
  },
  (world, a) => {
    world.register(a)
  },
  (world, a, b) => {
    const client = pick(world.brain.state.clients.keys(), a)
    if (client === undefined) return
    const inGroup = b % 4 === 0 ? pick(world.brain.state.groups.keys(), b) : undefined
    const strategy =
      inGroup === undefined
        ? {}
        : {
            strategy: {
              kind: 'PLACEMENT_GROUP',
              groupId: inGroup,
              bundleIndex: -1,
              captureChildTasks: false,
            } as const,
          }
    // A class keeps its demand, as it does in a core-worker.
    const classId = (b % 6) + (inGroup === undefined ? 0 : 10 + Number(inGroup.slice(1)) * 10)
    world.send(
      world.brain.want(client, classId, a % 4, { demand: units(demandOf(b)), ...strategy }),
    )
  },
  (world, a, b) => {
    const held = [...world.brain.state.leases.values()].filter((each) => each.class !== undefined)
    const lease = pick(held, a)
    if (lease?.class === undefined) return
    world.send(world.brain.giveBack(lease.class.client, lease.leaseId, b % 4 === 0))
  },
  (world, a) => {
    const lease = pick(world.brain.state.leases.values(), a)
    if (lease?.class === undefined) return
    const client = lease.class.client
    world.send(world.brain.send({ kind: 'killLease', client, leaseId: lease.leaseId }))
  },
  (world, a) => {
    world.exit(a)
  },
  (world, a, b) => {
    const client = pick(world.brain.state.clients.keys(), a)
    if (client !== undefined) world.createActor(client, b)
  },
  (world, a) => {
    const starting = [...world.brain.state.actors.values()].filter(
      (actor) =>
        actor.lease?.worker !== undefined && actor.phase !== 'ALIVE' && actor.phase !== 'DEAD',
    )
    const actor = pick(starting, a)
    const client = actor?.lease?.worker?.workerId
    if (actor === undefined || client === undefined) return
    const { actorId } = actor.spec
    const { incarnation } = actor
    world.send(world.brain.send({ kind: 'actorReady', client, actorId, incarnation, address: '@' }))
  },
  (world, a, b) => {
    const actor = pick(world.brain.state.actors.values(), a)
    if (actor === undefined) return
    const { actorId, owner } = actor.spec
    const noRestart = b % 2 === 0
    if (b % 3 === 0)
      world.send(world.brain.send({ kind: 'actorHandlesGone', client: owner, actorId }))
    else world.send(world.brain.send({ kind: 'killActor', request: 0, actorId, noRestart }))
  },
  (world, a, b) => {
    const client = pick(world.brain.state.clients.keys(), a)
    if (client !== undefined) world.block(client, b)
  },
  (world, a) => {
    const wait = pick(world.brain.state.waits.values(), a)
    if (wait !== undefined) world.send(world.brain.unblock(wait.client, wait.waitId))
  },
  (world, a) => {
    const job = pick(world.brain.state.jobs.keys(), a)
    if (job !== undefined) world.createGroup(a, job)
  },
  (world, a) => {
    const groupId = pick(world.brain.state.groups.keys(), a)
    if (groupId !== undefined)
      world.send(world.brain.send({ kind: 'removeGroup', request: 0, groupId }))
  },
  (world, a) => {
    const drivers = [...world.brain.state.clients.values()].filter(
      (client) => client.role === 'driver',
    )
    const driver = a % 3 === 0 ? pick(drivers, a) : undefined
    if (driver !== undefined) world.send(world.brain.close(driver.id))
  },
  (world, a) => {
    world.send(world.brain.tick(a % 6000))
  },
  (world, a) => {
    const sample = { usedBytes: a % 100, totalBytes: 100, rssBytes: new Map() }
    world.send(world.brain.send({ kind: 'memory', sample }))
  },
  (world, a, b) => {
    // Seldom, as nothing new happens afterwards.
    if (a % 8 === 0) world.send(world.brain.send({ kind: 'drain', graceMs: b }))
  },
]

const op = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000))

describe('random programs', () => {
  test('keep every invariant after every step, and hold nothing when all is over', () => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 10, maxLength: 120 }), (program) => {
        const world = new World()
        world.connectDriver()
        for (const each of program) world.run(each)
        wind(world)
        const { state } = world.brain
        expect(state.ledger.free).toEqual(state.config.totals)
        expect(state.workers.size).toBe(0)
        expect(state.leases.size).toBe(0)
        expect(state.jobs.size).toBe(0)
        expect(state.pools.size).toBe(0)
        expect(state.waits.size).toBe(0)
        expect(state.leaving).toBe(state.draining)
      }),
      { numRuns: 300 },
    )
  })
})

/** All drivers leave, all actors are killed, all processes end. */
function wind(world: World): void {
  const { brain } = world
  for (const client of [...brain.state.clients.values()]) {
    if (client.role === 'driver') world.send(brain.close(client.id))
  }
  for (const actorId of [...brain.state.actors.keys()]) {
    world.send(brain.send({ kind: 'killActor', request: 0, actorId, noRestart: true }))
  }
  for (const groupId of [...brain.state.groups.keys()]) {
    world.send(brain.send({ kind: 'removeGroup', request: 0, groupId }))
  }
  for (let round = 0; brain.state.workers.size > 0 && round < 1000; round += 1) world.exit(round)
}
