// The life of a lease, and who gets the next one.
//   1. a client says how many leases of a class it could use; an actor asks for one
//   2. granted while wanted and free: to the job that holds the least, and within it to the class
//      that does; of equals, to the one whose turn it is. Actors of a job come before its classes
//   3. a worker is attached: an idle one of the pool, else one is started
//   4. the owner hears of it and pushes tasks to the worker itself
//   5. the owner returns it, its worker dies, or its owner ends
// Source: Ray local_lease_manager.h (steps 1-6).
import { toWire } from '../common/error-wire.ts'
import type { VirgaError } from '../common/errors.ts'
import type { LeaseId, WorkerId } from '../common/ids.ts'
import { resourceKey } from '../common/resources.ts'
import type { ClassSpec, WorkerExit } from '../protocol/messages.ts'
import { forgetIfUnused, grantableHere, heldBy, missingFor } from './class-wants.ts'
import { collectFor } from './collect-handles.ts'
import { giveBack, takeFor } from './holdings.ts'
import { judgeTask, mayBeJudgedAnew } from './placement.ts'
import { awaitNoWorker, awaitWorker, poolOf } from './pools.ts'
import { reclaimFor } from './reclaim.ts'
import { killRemoteLease, returnRemoteLease, tellBoundNode } from './cluster/node-asks.ts'
import { retireWorker } from './retired.ts'
import { isReserved, reservationsOf, type Reservations } from './reservations.ts'
import type { Client, Job, Lease, RayletState, SchedulingClass, Worker } from './state.ts'
import type { Actor } from './actors/actor-state.ts'
import { notify, type EventOf, type Turn } from './turn.ts'
import { isAnyWaiting } from './waiters.ts'
import { askToExit, attachWorkers, becomeIdle, kill, ORPHAN_GRACE_MS } from './workers.ts'

type LeaseKilled = Pick<EventOf<'killLease'>, 'leaseId' | 'isCut'>

/** Step 1. */
export function wantLeases(
  turn: Turn,
  client: Client,
  message: {
    readonly classId: number
    readonly count: number
    readonly spec: ClassSpec | undefined
  },
): void {
  const isKnown = client.classes.has(message.classId)
  const schedulingClass = classOf(turn, client, message.classId, message.spec)
  if (schedulingClass === undefined) return
  const { spec } = schedulingClass
  const isToBeJudged = message.count > 0 && (!isKnown || mayBeJudgedAnew(turn.state, spec))
  const reason = isToBeJudged ? judgeTask(turn.state, client, spec) : undefined
  if (reason !== undefined) {
    refuseClass(turn, schedulingClass, reason)
    return
  }
  if (missingFor(schedulingClass) <= 0) {
    schedulingClass.waitingSinceMs = turn.nowMs
  }
  schedulingClass.wanted = message.count
  tellBoundNode(turn, schedulingClass)
  dropUnneeded(turn, schedulingClass)
  forgetIfUnused(turn.state, schedulingClass)
}

export function classOf(
  turn: Turn,
  client: Client,
  classId: number,
  spec: ClassSpec | undefined,
): SchedulingClass | undefined {
  const job = client.jobId === undefined ? undefined : turn.state.jobs.get(client.jobId)
  if (job === undefined || job.isWindingDown) return undefined
  const known = client.classes.get(classId)
  if (known !== undefined) return known
  if (spec === undefined) return undefined
  const made: SchedulingClass = {
    client: client.id,
    classId,
    jobId: job.jobId,
    spec,
    shape: shapeOf(spec),
    wanted: 0,
    leases: new Set(),
    waitingSinceMs: turn.nowMs,
    remote: new Set(),
    asked: new Map(),
    waitsAt: undefined,
    here: 0,
    told: undefined,
  }
  client.classes.set(classId, made)
  job.turns.add(made)
  return made
}

/** Demands of one shape are free or not free together. */
export function shapeOf(spec: ClassSpec): string {
  const { strategy } = spec
  const where =
    strategy.kind === 'PLACEMENT_GROUP' ? `${strategy.groupId}#${String(strategy.bundleIndex)}` : ''
  return `${resourceKey(spec.demand)}@${where}`
}

/** The class gets nothing, now and until it is wanted again; its owner fails what is queued. */
export function refuseClass(turn: Turn, refused: SchedulingClass, reason: VirgaError): void {
  refused.wanted = 0
  if (refused.told !== undefined) tellBoundNode(turn, refused)
  dropUnneeded(turn, refused)
  forgetIfUnused(turn.state, refused)
  const message = { classId: refused.classId, error: toWire(reason) }
  notify(turn, refused.client, 'classRefused', message)
}

/** Leases that still wait for a worker end as soon as nobody wants them. */
function dropUnneeded(turn: Turn, schedulingClass: SchedulingClass): void {
  for (const lease of [...schedulingClass.leases].reverse()) {
    if (missingFor(schedulingClass) >= 0) return
    if (lease.worker === undefined) endLease(turn, lease)
  }
}

/**
 * Grant whatever can be granted. To be called whenever resources, workers or wishes changed.
 * @param startActor  what to do with an actor's lease once it has its worker.
 */
export function grantAll(turn: Turn, startActor: (actor: Actor, worker: Worker) => void): void {
  const round: Round = { failed: new Set(), reserved: reservationsOf(turn.state, turn.nowMs) }
  let granted = true
  while (granted) {
    granted = false
    for (const job of jobsByHoldings(turn.state)) {
      if (!grantOne(turn, job, round)) continue
      granted = true
      turn.state.jobs.delete(job.jobId)
      turn.state.jobs.set(job.jobId, job)
      break
    }
  }
  attachWorkers(turn, (lease, worker) => {
    if (lease.actor !== undefined) startActor(lease.actor, worker)
    else tellGranted(turn, lease, worker)
  })
  reclaimFor(turn)
  const { unread, cluster } = turn.state
  const hasElsewhere = (cluster?.actors.made.size ?? 0) > 0
  const mayDrop = unread.size > 0 || (hasElsewhere && isAnyWaiting(turn.state))
  if (round.failed.size > 0 || mayDrop || groupsWait(turn.state)) collectFor(turn)
}

function groupsWait({ groups }: RayletState): boolean {
  for (const { state } of groups.values()) if (state === 'PENDING') return true
  return false
}

/** What is known while grants are made: resources only become fewer meanwhile. */
interface Round {
  /** Shapes that do not fit any more. */
  readonly failed: Set<string>
  readonly reserved: Reservations
}

/** Those that hold the least first; equals stay in the order of their turns. */
export function jobsByHoldings(state: RayletState): Job[] {
  const jobs = [...state.jobs.values()]
  if (jobs.length < 2) return jobs
  return jobs.sort((a, b) => a.leaseCount - b.leaseCount)
}

function candidatesOf(state: RayletState, job: Job): (SchedulingClass | 'ACTORS')[] {
  const held = (candidate: SchedulingClass | 'ACTORS'): number =>
    candidate === 'ACTORS' ? -1 : heldBy(candidate)
  return [...job.turns].filter(isWanting).sort((a, b) => held(a) - held(b))

  function isWanting(candidate: SchedulingClass | 'ACTORS'): boolean {
    if (candidate === 'ACTORS') return job.pendingActors.size > 0
    return grantableHere(state, candidate) > 0
  }
}

/** Step 2, for one job: at most one grant. */
function grantOne(turn: Turn, job: Job, round: Round): boolean {
  for (const candidate of candidatesOf(turn.state, job)) {
    const lease =
      candidate === 'ACTORS'
        ? leaseForActor(turn, job, round)
        : leaseForClass(turn, candidate, round)
    if (lease === undefined) continue
    job.turns.delete(candidate)
    job.turns.add(candidate)
    return true
  }
  return false
}

function leaseForClass(turn: Turn, wanting: SchedulingClass, round: Round): Lease | undefined {
  const { jobId, spec, shape } = wanting
  const wish = { jobId, spec, shape, class: wanting, actor: undefined }
  const lease = tryLease(turn, wish, round)
  if (lease === undefined) return undefined
  wanting.leases.add(lease)
  wanting.here -= 1
  wanting.waitingSinceMs = turn.nowMs
  turn.state.clients.get(wanting.client)?.leases.add(lease)
  return lease
}

function leaseForActor(turn: Turn, job: Job, round: Round): Lease | undefined {
  for (const actor of job.pendingActors) {
    if (actor.place !== 'HERE' || round.failed.has(actor.shape)) continue
    const spec = actor.spec.scheduling
    const wish = { jobId: job.jobId, spec, shape: actor.shape, class: undefined, actor }
    const lease = tryLease(turn, wish, round)
    if (lease === undefined) continue
    job.pendingActors.delete(actor)
    actor.lease = lease
    return lease
  }
  return undefined
}

/** For an actor of another node: when it can be had now. */
export function takeLease(turn: Turn, actor: Actor): boolean {
  const { spec, shape } = actor
  const round: Round = { failed: new Set(), reserved: reservationsOf(turn.state, turn.nowMs) }
  const wish = { jobId: spec.jobId, spec: spec.scheduling, shape, class: undefined, actor }
  actor.lease = tryLease(turn, wish, round)
  return actor.lease !== undefined
}

/** For a guest: as many as can be had now, and no more than `count`. @returns how many. */
export function takeLeases(turn: Turn, taking: SchedulingClass, count: number): number {
  const round: Round = { failed: new Set(), reserved: reservationsOf(turn.state, turn.nowMs) }
  let taken = 0
  while (taken < count && leaseForClass(turn, taking, round) !== undefined) taken += 1
  return taken
}

interface Wish extends Pick<Lease, 'jobId' | 'spec' | 'class' | 'actor'> {
  readonly shape: string
}

function tryLease(turn: Turn, wish: Wish, { failed, reserved }: Round): Lease | undefined {
  if (failed.has(wish.shape)) return undefined
  const { state, nowMs } = turn
  const holds = (wish.class?.leases.size ?? 0) > 0
  const { demand } = wish.spec
  const holding = takeFor(
    state,
    wish.spec,
    (ledger) => !holds || !isReserved(reserved, ledger, demand),
  )
  if (holding === undefined) {
    // Who holds nothing may still get what was kept from this one.
    if (!holds) failed.add(wish.shape)
    return undefined
  }
  const lease: Lease = {
    leaseId: state.nextLeaseId++ as LeaseId,
    jobId: wish.jobId,
    spec: wish.spec,
    pool: poolOf(state, wish.jobId, wish.spec),
    ...holding,
    class: wish.class,
    actor: wish.actor,
    worker: undefined,
    grantedAtMs: nowMs,
    endsWith: undefined,
    reclaimed: false,
    waits: new Set(),
  }
  state.leases.set(lease.leaseId, lease)
  awaitWorker(lease)
  const job = state.jobs.get(wish.jobId)
  if (job !== undefined) job.leaseCount += 1
  return lease
}

/** Step 4. The owner tells the worker, on the connection on which it pushes: in order with it. */
function tellGranted(turn: Turn, lease: Lease, worker: Worker): void {
  const owner = lease.class
  if (owner === undefined) return
  const { leaseId } = lease
  const given = { leaseId, gpuIds: lease.allocation.gpuIds, resources: lease.spec.demand }
  const where = { classId: owner.classId, workerId: worker.workerId, address: worker.address }
  notify(turn, owner.client, 'leaseGranted', { ...where, ...given })
}

/** Step 5, by the owner. A lease that is no longer known ended on its own: nothing to do. */
export function returnLease(turn: Turn, client: Client, leaseId: number, retire: boolean): void {
  if (returnRemoteLease(turn, client, { leaseId, retire })) return
  const lease = turn.state.leases.get(leaseId as LeaseId)
  if (lease?.class?.client !== client.id) return
  const { worker } = lease
  endLease(turn, lease)
  if (worker?.phase !== 'LEASED') return
  if (retire) retireWorker(turn, worker)
  else becomeIdle(turn, worker)
}

/** The owner wants the running task dead: cancelled by force, or out of time. @param isCut  or it
 *  has lost the connection to its worker, which may live: that may stay for what it owns. */
export function killLease(turn: Turn, client: Client, { leaseId, isCut }: LeaseKilled): void {
  if (killRemoteLease(turn, client, { leaseId, isCut })) return
  const lease = turn.state.leases.get(leaseId as LeaseId)
  if (lease?.class?.client !== client.id || lease.worker === undefined) return
  if (isCut === true) askToExit(turn, lease.worker, 'ORPHANED', ORPHAN_GRACE_MS)
  else kill(turn, lease.worker, 'KILLED')
}

/**
 * Free what it holds and forget it; what becomes of its worker is the caller's decision.
 * It may be repeated: a lease can end for several reasons at once.
 */
export function endLease(turn: Turn, lease: Lease): void {
  const { state } = turn
  if (!state.leases.delete(lease.leaseId)) return
  giveBack(state, lease)
  awaitNoWorker(lease)
  const job = state.jobs.get(lease.jobId)
  if (job !== undefined) job.leaseCount -= 1
  if (lease.worker !== undefined) lease.worker.lease = undefined
  if (lease.actor !== undefined) lease.actor.lease = undefined
  if (lease.class !== undefined) {
    lease.class.leases.delete(lease)
    state.clients.get(lease.class.client)?.leases.delete(lease)
    forgetIfUnused(state, lease.class)
    if (lease.worker === undefined) tellLapsed(turn, lease.class)
  }
}

/** A guest's home counts on it (OL2). */
function tellLapsed(turn: Turn, { client, classId }: SchedulingClass): void {
  if (turn.state.clients.get(client)?.link === undefined) return
  turn.effects.push({ kind: 'guestLeaseLapsed', client, classId })
}

/** Step 5, by the death of the worker. */
export function breakLease(turn: Turn, lease: Lease, exit: WorkerExit): void {
  const owner: WorkerId | undefined = lease.class?.client
  endLease(turn, lease)
  if (owner === undefined) return
  const error = lease.endsWith === undefined ? {} : { error: toWire(lease.endsWith) }
  notify(turn, owner, 'leaseBroken', { leaseId: lease.leaseId, exit, ...error })
}
