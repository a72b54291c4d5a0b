// Leaving on request, without losing what runs: SIGTERM, a spot notice.
//        drain                       last worker gone, or no time left
//   serving ───► draining ───────────────────────────────────────────► leaving
//   What runs may end within the grace time, and its results reach their owners; a worker that owns
//   what others hold stays until they give it back. What its worker had not begun is handed back.
//   What waits, and what is asked for later, fails: NodeDiedError. Of several nodes, others start
//   the actors again that have restarts left, as soon as their workers have ended (GA1), and those
//   that have not begun here (GA4), run the tasks again that have retries left, and the tasks of
//   what runs here still (DR3).
// Invariants:
//   DR1. Once draining, no lease is granted here, no worker started, no actor or group made.
//   DR2. What runs is not charged: it ends, or fails as its node does.
//   DR3. A task that has not ended when its node begins to drain gets leases for its own tasks on
//        other nodes, if there are any that hold them, for as long as its worker is there.
// Source: faults.md F06; Ray node drain (a draining node takes no leases).
import { reasonFor } from '../common/reason.ts'
import { actorGone, endActor, willEnd } from './actors/actor-end.ts'
import { leave, outlives } from './actors/actors-of-nodes.ts'
import { isGiving } from './actors/left-actors.ts'
import { refuseWaitingGroups } from './groups/groups.ts'
import { endLease, refuseClass } from './leases.ts'
import { judgeTask, nodeDrains, seeOwnNode } from './placement.ts'
import { workerlessOf } from './pools.ts'
import { askBack } from './reclaim.ts'
import type { RayletState } from './state.ts'
import type { Actor } from './actors/actor-state.ts'
import type { RayletEvent, Turn } from './turn.ts'
import { askToExit } from './workers.ts'

export function drain(turn: Turn, event: Extract<RayletEvent, { kind: 'drain' }>): void {
  const { state } = turn
  if (state.draining) return
  state.draining = true
  state.drainEndsAtMs = turn.nowMs + event.graceMs
  if (state.cluster !== undefined) seeOwnNode(state, state.cluster.view)
  refuseWhatWaits(turn)
  for (const lease of state.leases.values()) {
    lease.endsWith = nodeDrains()
    // Its owner pushes nothing more.
    if (lease.class !== undefined) askBack(turn, lease)
  }
  for (const worker of state.workers.values()) askToExit(turn, worker, 'DRAINED', event.graceMs)
}

/** To be called after every step. */
export function leaveIfDrained(turn: Turn): void {
  const { state, effects } = turn
  if (!state.draining || state.leaving || state.workers.size > 0) return
  if (isGiving(turn)) return
  state.leaving = true
  effects.push({ kind: 'leave' })
}

function refuseWhatWaits(turn: Turn): void {
  const { state } = turn
  for (const client of state.clients.values()) {
    for (const each of client.classes.values()) {
      const reason = each.wanted > 0 ? judgeTask(state, client, each.spec) : undefined
      if (reason !== undefined) refuseClass(turn, each, reason)
    }
  }
  for (const actor of [...state.actors.values()]) {
    if (actor.phase === 'DEAD' || goesOnElsewhere(state, actor)) continue
    if (actor.lease?.worker === undefined) {
      endActor(turn, actor, reasonFor(actor.spec.className, nodeDrains()))
    } else willEnd(turn, actor, actorGone(actor, 'its node was shut down'))
  }
  refuseWaitingGroups(turn)
  for (const lease of [...workerlessOf(state)]) {
    const { actor } = lease
    endLease(turn, lease)
    if (actor !== undefined) leave(state, actor, true) // it goes on elsewhere
  }
}

/** What becomes of one that has a worker is decided when that has ended. */
function goesOnElsewhere({ cluster, config }: RayletState, actor: Actor): boolean {
  const isUnbegun = actor.lease?.worker === undefined
  return cluster !== undefined && (actor.restartsLeft > 0 || (isUnbegun && outlives(config, actor)))
}
