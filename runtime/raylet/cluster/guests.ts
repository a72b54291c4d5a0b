// Guests: core-workers of other nodes that hold leases here, asked for by their home raylets. To
// the rest of the brain a guest is a client like others; what it is told goes to its home.
// Invariants:
//   GU1. Asked for leases, this node grants what it has free now, or refuses: guests wait at home.
//        A class that is bound to this node waits here, in turn with those of its own processes.
//   GU2. A guest is known by one connection of its home, and ends with it (OL1).
//   GU3. A job that no process of this node drives lives here as long as a guest or actor of it, or
//        a worker that owns what others may hold. When its driver is said to have ended (EJ3), only
//        for a detached actor (EJ1): that its connection closes is no such word.
//   GU4. A home that gave up waiting for an answer asks again for the same leases: those that it
//        has here and does not know of are they, and no others are taken (F21).
import { actorLinkClosed } from '../actors/actors-elsewhere.ts'
import { removeClient } from '../clients.ts'
import { forgetIfUnused } from '../class-wants.ts'
import { classOf, takeLeases, wantLeases } from '../leases.ts'
import type { GuestClass, LeasesAsked } from './peer-raylet-messages.ts'
import { routeFor } from './node-asks.ts'
import type { Client, Job, RayletState, SchedulingClass } from '../state.ts'
import { answer, type EventOf, type Turn } from '../turn.ts'

type Driven = Pick<NonNullable<GuestClass['owner']>, 'job' | 'driver' | 'drivenAt'>

/** GU1. Answers how many were accepted, and who is better asked for the rest. */
export function leasesAsked(turn: Turn, event: EventOf<'leasesAsked'>): void {
  const { link, message, request } = event
  const client = guestOf(turn, link, message) // also while nothing is taken: it is told once
  const each =
    client !== undefined && mayTake(turn) && isPaceFine(turn.state, message)
      ? classOf(turn, client, message.classId, message.spec)
      : undefined
  const accepted = each === undefined ? 0 : acceptFor(turn, each, message)
  if (each !== undefined) forgetIfUnused(turn.state, each)
  const retryAt = accepted < message.count ? betterNode(turn.state, message) : undefined
  answer(turn, request, { accepted, ...(retryAt === undefined ? {} : { retryAt }) })
}

/** PC1. */
const isPaceFine = ({ isAvoided }: RayletState, { isSlowFine }: LeasesAsked): boolean =>
  !isAvoided || isSlowFine === true

/** GU4. */
function acceptFor(
  turn: Turn,
  each: SchedulingClass,
  { count, known }: EventOf<'leasesAsked'>['message'],
): number {
  const again = Math.min(count, Math.max(0, each.leases.size - known))
  return again + takeLeases(turn, each, count - again)
}

export function mayTake({ state, nowMs }: Turn): boolean {
  return !state.leaving && !state.draining && nowMs < state.leaseUntilMs
}

function betterNode({ cluster }: RayletState, { spec, hops }: EventOf<'leasesAsked'>['message']) {
  const route = cluster && routeFor(cluster, spec, hops)
  return route?.kind === 'FORWARD' ? route.nodeId : undefined
}

/** The absolute number of leases that a class bound to this node wants. */
export function guestWants(turn: Turn, { link, message }: EventOf<'guestWants'>): void {
  const client = guestOf(turn, link, message)
  if (client !== undefined) wantLeases(turn, client, message)
}

export function guestLeft(turn: Turn, { link, client: id }: EventOf<'guestLeft'>): void {
  const client = turn.state.clients.get(id)
  if (client?.link === link) removeClient(turn, client, 'ENDED')
}

/** GU2. */
export function guestLinkClosed(turn: Turn, { link }: EventOf<'guestLinkClosed'>): void {
  actorLinkClosed(turn, link)
  for (const client of [...turn.state.clients.values()]) {
    if (client.link === link) removeClient(turn, client, 'LINK_LOST')
  }
}

/** GU2. Undefined for one that did not say who it is: its home takes it for known, and it is not. */
function guestOf(turn: Turn, link: number, { client: id, owner }: GuestClass): Client | undefined {
  const { state } = turn
  const known = state.clients.get(id)
  if (known !== undefined && known.link === link) return known
  if (owner === undefined) return undefined
  if (known !== undefined) removeClient(turn, known, 'LINK_LOST')
  const { role, address } = owner
  const client: Client = {
    ...{ id, role, address, pid: 0, jobId: owner.job.jobId, link },
    ...{ classes: new Map(), leases: new Set(), knownAt: new Map() },
  }
  state.clients.set(id, client)
  takeJob(turn, owner)
  return client
}

/** A job whose last guest had left goes on, where some of it is left. */
export function takeJob({ state, nowMs }: Turn, owner: Driven): Job {
  const { job: spec, driver, drivenAt } = owner
  const known = state.jobs.get(spec.jobId)
  if (known !== undefined) {
    if (known.drivenAt === undefined) return known
    known.isWindingDown = false
    if (!known.driverEnded) known.endedAtMs = undefined
    return known
  }
  const job: Job = {
    ...{ jobId: spec.jobId, spec, driver, drivenAt, startedAtMs: nowMs },
    ...{ endedAtMs: undefined, isWindingDown: false, driverEnded: false, isOverEverywhere: false },
    ...{ entryFirst: false, leaseCount: 0 },
    ...{ turns: new Set(), pendingActors: new Set() },
  }
  state.jobs.set(spec.jobId, job)
  return job
}
