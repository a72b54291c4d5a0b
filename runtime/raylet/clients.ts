// Processes that connect and leave: drivers bring a job, workers serve one, the cli only asks.
// A job ends with its driver: what is not detached ends with it.
import { outlivesDriver, type ActorSpec } from '../protocol/actor-messages.ts'
import { retireActor } from './actors/actor-end.ts'
import { releaseElsewhere } from './actors/actors-elsewhere.ts'
import { forgetFoundOf } from './actors/found-actors.ts'
import { isIdle } from './actors/actors-of-nodes.ts'
import { livingActorsOf } from './actors/living-actors.ts'
import { removeWaitsOf } from './deadlock.ts'
import { endGroupsOf } from './groups/groups.ts'
import { endLease } from './leases.ts'
import { tokenOwnerGone } from './limiters.ts'
import { endOrphans } from './orphans.ts'
import { forgetPoolsOf, workerlessOf } from './pools.ts'
import { leaveOtherNodes } from './cluster/node-asks.ts'
import type { Client, Job, RayletState } from './state.ts'
import type { EventOf, Turn } from './turn.ts'
import {
  ORPHAN_GRACE_MS,
  askToExit,
  connectionLost,
  prestart,
  workerRegistered,
} from './workers.ts'

/** Without the driver of its job, by the spec of an actor or a group. */
type GoesOn = (spec: Pick<ActorSpec, 'detached' | 'ofDetached'>) => boolean

export function clientConnected(turn: Turn, event: EventOf<'clientConnected'>): void {
  const { state } = turn
  const { client: id, role, pid, address } = event
  const worker = state.workers.get(id)
  const jobId = worker?.jobId ?? event.job?.jobId
  const client: Client = {
    id,
    role,
    pid,
    address,
    jobId,
    classes: new Map(),
    leases: new Set(),
    knownAt: new Map(),
  }
  state.clients.set(id, client)
  if (worker !== undefined) {
    workerRegistered(turn, worker, pid, address)
  } else if (role === 'driver' && event.job !== undefined) {
    const job: Job = {
      jobId: event.job.jobId,
      spec: event.job,
      driver: id,
      drivenAt: undefined,
      startedAtMs: turn.nowMs,
      endedAtMs: undefined,
      isWindingDown: false,
      driverEnded: false,
      isOverEverywhere: false,
      entryFirst: false,
      turns: new Set(),
      pendingActors: new Set(),
      leaseCount: 0,
    }
    state.jobs.set(job.jobId, job)
    prestart(turn, job)
  }
}

export function clientClosed(turn: Turn, event: EventOf<'clientClosed'>): void {
  const client = turn.state.clients.get(event.client)
  if (client !== undefined) removeClient(turn, client, 'ENDED')
}

/** @param why  LINK_LOST: a guest, whose process may go on at its home. */
export function removeClient(turn: Turn, client: Client, why: 'ENDED' | 'LINK_LOST'): void {
  const { state } = turn
  state.clients.delete(client.id)
  removeWaitsOf(turn, client.id)
  tokenOwnerGone(turn, client.id)
  const job = client.jobId === undefined ? undefined : state.jobs.get(client.jobId)
  for (const each of client.classes.values()) job?.turns.delete(each)
  if (job !== undefined) leftBy(turn, job, { gone: client, why })
  endOwned(turn, client)
  leaveOtherNodes(turn, client)
  const worker = state.workers.get(client.id)
  if (worker !== undefined) connectionLost(turn, worker)
  for (const [actorId, watchers] of state.watchers) {
    watchers.delete(client.id)
    if (watchers.size === 0) state.watchers.delete(actorId)
  }
}

/** It ends with its driver, or with the last of a job that is driven from another node (GU3). */
function leftBy(
  turn: Turn,
  job: Job,
  { gone, why }: { readonly gone: Client; readonly why: 'ENDED' | 'LINK_LOST' },
): void {
  const { state } = turn
  if (state.cluster !== undefined) state.cluster.actors.mayBeIdle = true
  if (job.driver !== gone.id || why === 'LINK_LOST') return
  job.driverEnded = true
  endJob(turn, job)
}

/** Guests' jobs of which nothing is left here, and ended ones that waited for their last guest. To
 *  be called after every step. */
export function endIdleJobs(turn: Turn): void {
  const ofNodes = turn.state.cluster?.actors
  if (ofNodes?.mayBeIdle !== true) return
  ofNodes.mayBeIdle = false
  for (const job of [...turn.state.jobs.values()]) {
    if (job.endedAtMs !== undefined) forgetIfDone(turn, job)
    else if (isIdle(turn.state, job)) endJob(turn, job)
  }
}

/** EJ1. */
export function jobOver(turn: Turn, { jobId }: EventOf<'jobOver'>): void {
  const job = turn.state.jobs.get(jobId)
  if (job?.endedAtMs === undefined) return
  job.isOverEverywhere = true
  forgetIfDone(turn, job)
}

/** What a process owned ends with it: running tasks that nobody waits for, and its actors. */
function endOwned(turn: Turn, client: Client): void {
  endOrphans(turn, client)
  if (client.link !== undefined) return // its home says what becomes of the actors it made
  const made = client.jobId === undefined ? [] : livingActorsOf(turn.state, client.jobId)
  for (const actor of [...made]) {
    if (actor.spec.detached || actor.spec.owner !== client.id) continue
    retireActor(turn, actor, 'OWNER')
  }
  releaseElsewhere(turn, client.id)
  forgetFoundOf(turn, client.id)
}

function endJob(turn: Turn, job: Job): void {
  const { state } = turn
  job.endedAtMs = turn.nowMs
  endGroupsOf(turn, job.jobId, outlivesDriver)
  endActorsOf(turn, job, outlivesDriver)
  const isMaker = [...state.jobs.values()].every((each) => each.startedAtMs >= job.startedAtMs)
  forgetIfDone(turn, job)
  // A guest's ends where it is driven: it may be going on there.
  if (job.drivenAt === undefined) turn.effects.push({ kind: 'jobEnded', job })
  // Drivers that joined later come and go; with the one that made it, it leaves.
  if (state.config.owned && isMaker) {
    state.leaving = true
    turn.effects.push({ kind: 'leave' })
  }
}

function endActorsOf(turn: Turn, job: Job, goesOn: GoesOn): void {
  for (const actor of [...livingActorsOf(turn.state, job.jobId)]) {
    if (!goesOn(actor.spec)) retireActor(turn, actor, 'JOB')
  }
}

/** Nobody has anything of it any more: what a detached actor has made is none either. */
const isDetached: GoesOn = ({ detached }) => detached

function goesOnHere({ state }: Turn, { jobId, isOverEverywhere }: Job): boolean {
  const goesOn = isOverEverywhere ? isDetached : outlivesDriver
  for (const { spec } of livingActorsOf(state, jobId)) if (goesOn(spec)) return true
  return false
}

/** With the last detached actor goes what it has made, and who worked for it. */
function windDown(turn: Turn, job: Job): void {
  job.isWindingDown = true
  endGroupsOf(turn, job.jobId, isDetached)
  endActorsOf(turn, job, isDetached)
  job.turns.clear()
  for (const lease of [...workerlessOf(turn.state)]) {
    if (lease.jobId === job.jobId) endLease(turn, lease)
  }
  for (const worker of turn.state.workers.values()) {
    if (worker.jobId === job.jobId) askToExit(turn, worker, 'OVER', ORPHAN_GRACE_MS)
  }
}

/**
 * A job whose driver is gone is kept while anything of it lives: a detached actor goes on, and so
 * do the workers that run tasks for it.
 */
export function forgetIfDone(turn: Turn, job: Job): void {
  const { jobId, endedAtMs } = job
  if (endedAtMs === undefined || goesOnHere(turn, job)) return
  const isHome = job.drivenAt === undefined
  if (!job.isWindingDown && mayBeNeeded(turn.state, job)) {
    const drivenAt = job.driverEnded ? undefined : job.drivenAt
    turn.effects.push({ kind: 'watchJob', jobId, isHome, drivenAt })
    return
  }
  if (!job.isWindingDown) windDown(turn, job)
  for (const worker of turn.state.workers.values()) if (worker.jobId === jobId) return
  turn.state.jobs.delete(jobId)
  const hasEnded = isHome || job.driverEnded
  const end = job.isOverEverywhere ? 'OVER' : hasEnded ? 'ENDED' : 'GONE'
  turn.effects.push({ kind: 'jobForgotten', jobId, isHome, end })
  forgetPoolsOf(turn.state, jobId)
}

/**
 * By a detached actor on another node: it is a guest here, or who runs its tasks is, or workers of
 * this node own what it reads. Or by the driver, which may be cut off: for what they own alone.
 */
function mayBeNeeded(state: RayletState, job: Job): boolean {
  const { jobId, drivenAt, driverEnded, isOverEverywhere } = job
  if (state.cluster === undefined || isOverEverywhere) return false
  const hasEnded = drivenAt === undefined || driverEnded
  for (const { link, jobId: of } of hasEnded ? state.clients.values() : []) {
    if (link !== undefined && of === jobId) return true
  }
  for (const worker of state.workers.values()) {
    if (worker.jobId === jobId && worker.isOwner) return true
  }
  return false
}
