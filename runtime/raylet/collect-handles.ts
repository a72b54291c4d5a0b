// An actor ends with its last handle, and a handle ends when its process collects its garbage: one
// that only waits makes none, so an actor that nobody can reach would hold its GPU for ever while
// the next one waits for it. So whoever waits with nothing in hand has the creators of the actors
// that hold what it lacks asked to collect, time and again: handles may be dropped meanwhile.
import type { WorkerId } from '../common/ids.ts'
import type { RayletState } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'
import { lackedSince } from './waiters.ts'

/** Between two requests, and from the start of a wait to the first. */
const COLLECT_EVERY_MS = 1000

/** To be called when some demand found no room. */
export function collectFor(turn: Turn): void {
  const { state, nowMs } = turn
  if (nowMs >= state.collectNotBeforeMs) {
    state.collectNotBeforeMs = nowMs + COLLECT_EVERY_MS
    const names = [...lackedSince(state, nowMs - COLLECT_EVERY_MS).values()]
    for (const owner of ownersOfActors(state, new Set(names.flatMap((each) => [...each])))) {
      notify(turn, owner, 'collectHandles', {})
    }
  }
  wakeBy(turn, state.collectNotBeforeMs)
}

/** Who created actors that hold any of these resources. */
function ownersOfActors(state: RayletState, names: ReadonlySet<string>): Set<WorkerId> {
  const owners = new Set<WorkerId>()
  if (names.size === 0) return owners
  for (const { actor, spec } of state.leases.values()) {
    if (actor === undefined || actor.spec.detached) continue
    if (Object.keys(spec.demand).some((name) => names.has(name))) owners.add(actor.spec.owner)
  }
  return owners
}
