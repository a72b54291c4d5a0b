// An actor ends with its last handle, a stream that nobody reads with what could read it, and both
// when their process collects its garbage: one that only waits makes none, so an actor that nobody
// can reach would hold its GPU for ever while the next one waits for it. So whoever waits with
// nothing in hand has the owners of such actors and streams that hold what it lacks asked to
// collect, time and again: handles may be dropped meanwhile.
import type { WorkerId } from '../common/ids.ts'
import { missingFor } from './class-wants.ts'
import type { Lease, RayletState, SchedulingClass } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'
import { lackedSince } from './waiters.ts'

/** Between two requests, and from the start of a wait to the first. */
const COLLECT_EVERY_MS = 1000

/** To be called when some demand found no room, and while streams wait for their readers. */
export function collectFor(turn: Turn): void {
  const { state, nowMs } = turn
  if (nowMs >= state.collectNotBeforeMs) {
    state.collectNotBeforeMs = nowMs + COLLECT_EVERY_MS
    const names = [...lackedSince(state, nowMs - COLLECT_EVERY_MS).values()]
    for (const owner of ownersWhoMayDrop(state, new Set(names.flatMap((each) => [...each])))) {
      notify(turn, owner, 'collectHandles', {})
    }
  }
  wakeBy(turn, state.collectNotBeforeMs)
}

/** Who owns actors, or tasks that wait for a reader, which hold what others lack. */
function ownersWhoMayDrop(state: RayletState, names: ReadonlySet<string>): Set<WorkerId> {
  const owners = new Set<WorkerId>()
  const isLacked = ({ spec }: Lease) => Object.keys(spec.demand).some((name) => names.has(name))
  if (names.size > 0) {
    for (const lease of state.leases.values()) {
      const { actor } = lease
      if (actor !== undefined && !actor.spec.detached && isLacked(lease))
        owners.add(actor.spec.owner)
    }
  }
  for (const [lease, from] of leasesUnread(state)) {
    // Its owner's own tasks may wait for it: they have something, namely this.
    if (missingFor(from) > 0 || isLacked(lease)) owners.add(from.client)
  }
  return owners
}

/** Leases whose task waits for the reader of its stream, with the classes that have them. */
function leasesUnread({ unread: waits, workers }: RayletState): Map<Lease, SchedulingClass> {
  const unread = new Map<Lease, SchedulingClass>()
  for (const { client } of waits) {
    const lease = workers.get(client)?.lease
    if (lease?.class !== undefined) unread.set(lease, lease.class)
  }
  return unread
}
