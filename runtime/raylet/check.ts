// What must be true of the brain after every step; used by tests and simulation.
// Invariants:
//   R1. free + held = total, per resource and GPU, in the node's ledger and in every bundle's; what
//       is held there is exactly what leases and groups hold.
//   R2. A worker that is leased and its lease know each other; no other worker has a lease, but
//       one that is EXITING may keep its lease until its process is gone.
//   R3. A lease is held by exactly one class or actor, and known to both sides.
//   R4. Leases without a worker are exactly those that wait for one.
//   R5. No more workers than the cap, but for those that are retired.
//   R6. An actor that is ALIVE has a worker; one that waits to be placed is queued once; a dead one
//       is queued nowhere.
//   R7. A group that is CREATED holds all its bundles, any other none; where there are several
//       nodes, a group has those here that this one has committed.
//   R8. Nothing that fits is left waiting, unless it is reserved for somebody who starves.
//   R9. Every job counts the leases of its classes and actors.
//   R10. A class is known as long as something of it is wanted or leased, and no longer.
//   R11. Every actor that is not DEAD is known to its job, and no other.
//   And PL1 of pools.ts.
import { assert } from '../common/assert.ts'
import type { ResourceLedger } from '../common/resource-ledger.ts'
import { ledgersOf } from './placement.ts'
import { isUnused } from './class-wants.ts'
import { roomForWorkers, workerlessOf } from './pools.ts'
import type { Job, Lease, RayletState, SchedulingClass, Worker } from './state.ts'
import type { Actor } from './actors/actor-state.ts'
import type { Group } from './groups/group.ts'

/** @throws AssertionError that names the invariant. */
export function check(state: RayletState): void {
  checkLedgers(state)
  for (const worker of state.workers.values()) checkWorker(state, worker)
  for (const lease of state.leases.values()) checkLease(state, lease)
  for (const lease of workerlessOf(state)) {
    assert(state.leases.has(lease.leaseId), `R4: lease ${String(lease.leaseId)} is forgotten`)
  }
  assert(roomForWorkers(state) >= 0, `R5: ${String(state.workers.size)} workers`)
  for (const each of classesOf(state)) checkClass(state, each)
  for (const actor of state.actors.values()) checkActor(state, actor)
  checkLiving(state)
  for (const group of state.groups.values()) {
    const count = bundleCount(state, group)
    assert(group.bundles.length === count, `R7: group ${group.spec.groupId} is ${group.state}`)
  }
  checkCounts(state)
  const isAlone = state.cluster === undefined // of several, placement may leave it to another
  if (isAlone && !state.leaving && !state.draining) checkNothingFits(state)
}

function bundleCount({ cluster }: RayletState, { spec, state }: Group): number {
  if (cluster === undefined) return state === 'CREATED' ? spec.bundles.length : 0
  const held = cluster.groups.holds.groups.get(spec.groupId)?.bundles.values() ?? []
  return [...held].filter(({ phase }) => phase === 'COMMITTED').length
}

function heldByGroups({ cluster, groups }: RayletState): number {
  const counts =
    cluster === undefined
      ? [...groups.values()].map(({ bundles }) => bundles.length)
      : [...cluster.groups.holds.groups.values()].map(({ bundles }) => bundles.size)
  return counts.reduce((sum, count) => sum + count, 0)
}

function checkLiving({ actors, livingActors }: RayletState): void {
  const living = [...actors.values()].filter(({ phase }) => phase !== 'DEAD')
  const known = [...livingActors.values()].reduce((sum, { size }) => sum + size, 0)
  const isKnown = (actor: Actor): boolean => livingActors.get(actor.spec.jobId)?.has(actor) === true
  assert(known === living.length && living.every(isKnown), 'R11: an actor lives unknown to its job')
}

function checkLedgers(state: RayletState): void {
  const bundles = [...state.groups.values()].flatMap((group) => group.bundles)
  const holders = new Map<ResourceLedger, number>([[state.ledger, heldByGroups(state)]])
  for (const { ledger } of bundles) holders.set(ledger, 0)
  for (const lease of state.leases.values()) {
    const { bundle } = lease
    if (bundle?.group.bundles.includes(bundle) === false) continue // its worker is being ended
    const ledger = lease.bundle?.ledger ?? state.ledger
    holders.set(ledger, (holders.get(ledger) ?? 0) + 1)
  }
  for (const [ledger, count] of holders) {
    ledger.check()
    const held = ledger.allocationCount
    assert(held === count, `R1: ${String(held)} allocations are held by ${String(count)} holders`)
  }
}

function checkWorker(state: RayletState, worker: Worker): void {
  const { phase, lease } = worker
  if (phase === 'LEASED') assert(lease !== undefined, 'R2: a leased worker has no lease')
  if (phase === 'STARTING' || phase === 'IDLE' || phase === 'RETIRED')
    assert(lease === undefined, `R2: ${phase} has a lease`)
  if (lease === undefined) return
  assert(lease.worker === worker, `R2: lease ${String(lease.leaseId)} has another worker`)
  assert(state.leases.has(lease.leaseId), `R2: lease ${String(lease.leaseId)} has ended`)
}

function checkLease(state: RayletState, lease: Lease): void {
  const id = String(lease.leaseId)
  assert(
    (lease.class === undefined) !== (lease.actor === undefined),
    `R3: lease ${id} has two holders`,
  )
  if (lease.class !== undefined) {
    assert(lease.class.leases.has(lease), `R3: the class of lease ${id} does not know it`)
    const client = state.clients.get(lease.class.client)
    assert(client?.leases.has(lease) === true, `R3: the owner of lease ${id} does not know it`)
  }
  if (lease.actor !== undefined) {
    assert(lease.actor.lease === lease, `R3: the actor of lease ${id} does not know it`)
  }
  const waits = lease.pool.workerless.has(lease)
  assert(waits === (lease.worker === undefined), `R4: lease ${id} has a worker and waits for one`)
  if (lease.worker === undefined) return
  assert(lease.worker.lease === lease, `R2: the worker of lease ${id} has another lease`)
  assert(
    state.workers.get(lease.worker.workerId) === lease.worker,
    `R2: the worker of lease ${id} is gone`,
  )
}

/** As their owners and the turns of their jobs know them. */
function* classesOf(state: RayletState): Iterable<SchedulingClass> {
  for (const client of state.clients.values()) yield* client.classes.values()
  for (const { turns } of state.jobs.values()) {
    for (const each of turns) if (each !== 'ACTORS') yield each
  }
}

function checkClass(state: RayletState, each: SchedulingClass): void {
  assert(
    !isUnused(each),
    `R10: class ${String(each.classId)} of ${each.spec.name} is not forgotten`,
  )
  for (const lease of each.leases) {
    assert(state.leases.get(lease.leaseId) === lease, 'R3: a class holds a lease that has ended')
  }
}

/** Or its job ended while a node was asked: it ends with the answer. */
const isInOtherHands = ({ place, ending }: Actor, job: Job | undefined): boolean =>
  place === 'AWAY' ||
  place === 'LEFT' ||
  place === 'GIVEN' ||
  (place === 'ASKED' && job === undefined && ending !== undefined)

function checkActor(state: RayletState, actor: Actor): void {
  const { phase, lease } = actor
  const job = state.jobs.get(actor.spec.jobId)
  const queued = job?.pendingActors.has(actor) ?? false
  if (phase === 'ALIVE') assert(lease?.worker !== undefined, 'R6: a living actor has no worker')
  if (phase === 'DEAD') assert(!queued, 'R6: a dead actor is queued')
  if (phase === 'PENDING_CREATION' || phase === 'RESTARTING') {
    const waits = lease === undefined && !isInOtherHands(actor, job)
    assert(queued === waits, `R6: an actor that is ${phase} is lost`)
  }
  if (lease !== undefined) {
    assert(state.leases.get(lease.leaseId) === lease, 'R6: an actor holds a lease that has ended')
  }
}

/** R9, PL1: what is kept, beside what a walk finds. */
function checkCounts(state: RayletState): void {
  const workers = [...state.workers.values()]
  const leases = [...state.leases.values()]
  for (const { jobId, leaseCount } of state.jobs.values()) {
    const count = leases.filter((lease) => lease.jobId === jobId).length
    assert(leaseCount === count, `R9: ${String(leaseCount)} leases are counted of ${String(count)}`)
  }
  for (const pool of state.pools.values()) {
    const of = workers.filter((worker) => worker.pool === pool)
    const held = leases.filter((lease) => lease.pool === pool)
    const idle = of.filter(({ phase }) => phase === 'IDLE')
    const starting = of.filter(({ phase }) => phase === 'STARTING').length
    const retired = of.filter(({ isRetired }) => isRetired).length
    const blocked = held.filter(({ waits, actor }) => waits.size > 0 && actor === undefined).length
    const without = held.filter(({ worker }) => worker === undefined)
    assert(pool.starting === starting, `PL1: ${pool.key} has ${String(starting)} starting`)
    assert(pool.retired === retired, `PL1: ${pool.key} has ${String(retired)} retired`)
    assert(pool.blocked === blocked, `PL1: ${pool.key} has ${String(blocked)} blocked`)
    assert(
      pool.idle.length === idle.length && idle.every((worker) => pool.idle.includes(worker)),
      `PL1: ${pool.key} has ${String(idle.length)} idle`,
    )
    assert(
      pool.workerless.size === without.length && without.every((one) => pool.workerless.has(one)),
      `PL1: ${pool.key} has ${String(without.length)} without worker`,
    )
  }
}

/** R8: every step ends with all that is possible granted. */
function checkNothingFits(state: RayletState): void {
  for (const job of state.jobs.values()) {
    for (const actor of job.pendingActors) assertWaits(state, actor.spec.scheduling)
    for (const candidate of job.turns) {
      if (candidate === 'ACTORS' || candidate.leases.size >= candidate.wanted) continue
      // Whoever holds something may be held back for somebody who starves (reservations.ts).
      if (candidate.leases.size === 0) assertWaits(state, candidate.spec)
    }
  }
}

function assertWaits(state: RayletState, spec: SchedulingClass['spec']): void {
  const fits = ledgersOf(state, spec).some((ledger) => ledger.isAvailable(spec.demand))
  assert(!fits, `R8: ${spec.name} waits although it fits`)
}
