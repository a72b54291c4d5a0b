// An actor ends with its last handle, a stream that nobody reads with what could read it, and both
// when their process collects its garbage: one that only waits makes none, so an actor that nobody
// can reach would hold its GPU for ever while the next one waits for it. So whoever waits with
// nothing in hand has the owners of such actors and streams that hold what it lacks asked to
// collect, time and again: handles may be dropped meanwhile.
// Of several nodes, the one where somebody waits asks the owners that it has for what they hold
// there and elsewhere, and has other nodes ask theirs for what they hold here.
import { toHex, type WorkerId } from '../common/ids.ts'
import { lacking } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { missingFor } from './class-wants.ts'
import { tellNode } from './cluster/node-notices.ts'
import type { Lease, RayletState, SchedulingClass, Wait } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'
import { lackedSince } from './waiters.ts'

/** Between two requests, and from the start of a wait to the first. */
const COLLECT_EVERY_MS = 1000

/** To be called when some demand found no room, and while something may be dropped. */
export function collectFor(turn: Turn): void {
  const { state, nowMs } = turn
  if (nowMs >= state.collectNotBeforeMs) {
    state.collectNotBeforeMs = nowMs + COLLECT_EVERY_MS
    askOwners(turn, namesLacked(turn))
  }
  wakeBy(turn, state.collectNotBeforeMs)
}

/** Of resources that are missing to those who have nothing and have waited for a while. */
function namesLacked({ state, nowMs }: Turn): Set<string> {
  const names = [...lackedSince(state, nowMs - COLLECT_EVERY_MS).values()]
  return new Set(names.flatMap((each) => [...each]))
}

/** Those who own actors, or tasks that wait for a reader, which hold what others lack. */
function askOwners(turn: Turn, names: ReadonlySet<string>): void {
  const { state } = turn
  const owners = new Set<WorkerId>()
  if (names.size > 0) addOwnersOfActors(turn, names, owners)
  for (const unread of leasesUnread(state)) {
    const { lease, from } = unread
    // Its owner's own tasks may wait for it: they have something, namely this.
    if (missingFor(from) > 0 || isLacked(lease.spec, names)) owners.add(from.client)
    else if (mayBeLackedAtHome(turn, unread)) {
      notify(turn, from.client, 'collectHandles', { classId: from.classId })
    }
  }
  for (const owner of owners) notify(turn, owner, 'collectHandles', {})
}

const isLacked = ({ demand }: Pick<ClassSpec, 'demand'>, names: ReadonlySet<string>): boolean =>
  Object.keys(demand).some((name) => names.has(name))

/** Actors of this node, and those of its processes on others. */
function addOwnersOfActors(turn: Turn, names: ReadonlySet<string>, owners: Set<WorkerId>): void {
  const { leases, clients, cluster } = turn.state
  for (const { actor, spec } of leases.values()) {
    if (actor === undefined || actor.spec.detached || !isLacked(spec, names)) continue
    const { owner } = actor.spec
    if (clients.has(owner)) owners.add(owner)
    else askElsewhere(turn, owner, actor.origin?.homeId)
  }
  for (const made of cluster?.actors.made.values() ?? []) {
    if (isLacked(made, names)) owners.add(made.owner)
  }
}

interface Unread {
  readonly lease: Lease
  /** The class that has it. */
  readonly from: SchedulingClass
  readonly wait: Wait
}

/** Leases whose task waits for the reader of its stream. */
function* leasesUnread({ unread: waits, workers }: RayletState): Generator<Unread> {
  for (const wait of waits) {
    const lease = workers.get(wait.client)?.lease
    if (lease?.class !== undefined) yield { lease, from: lease.class, wait }
  }
}

/** The owner of an actor, which is no client of this node. */
function askElsewhere(turn: Turn, client: WorkerId, homeId: string | undefined): void {
  const isOther = homeId !== undefined && homeId !== toHex(turn.state.config.nodeId)
  if (isOther) tellNode(turn, homeId, 'toClient', { client, type: 'collectHandles', message: {} })
}

/** Guests wait at their homes, and ask this node only while it has room. */
function mayBeLackedAtHome({ state, nowMs }: Turn, { lease, from, wait }: Unread): boolean {
  const { free } = lease.bundle?.ledger ?? state.ledger
  const isGuest = state.clients.get(from.client)?.link !== undefined
  const isLasting = nowMs - wait.sinceMs >= COLLECT_EVERY_MS
  return isGuest && isLasting && lacking(lease.spec.demand, free).length > 0
}

/** Asked by another node, for a lease of that class there: whether somebody here waits for it. */
export function lacksLeaseOf(turn: Turn, owned: SchedulingClass): boolean {
  if (missingFor(owned) > 0) return true
  return isLacked(owned.spec, namesLacked(turn))
}
