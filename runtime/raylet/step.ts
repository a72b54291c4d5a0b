// The brain of one node: leases, workers, actors and groups, as a pure state machine.
//   in   RayletEvent     a message of a client, a worker's exit, a memory sample, a tick
//   out  RayletEffect[]  in the order they must be performed
// It knows neither time nor I/O: every event says what time it is, and every effect that has a
// result brings it back as a further event. The same events in the same order give the same
// effects. After each step state.wakeAtMs says when it wants a tick.
// Source: Dask worker_state_machine.py; etcd-io/raft (same state, same input, same output).
import { unreachable } from '../common/assert.ts'
import { placeActors } from './actors/actor-offers.ts'
import { applyToActors } from './actors/actor-dispatch.ts'
import { startActor } from './actors/actors.ts'
import { giveActors } from './actors/left-actors.ts'
import { clientClosed, clientConnected, endIdleJobs, forgetIfDone } from './clients.ts'
import { blocked, reportDeadlocks, unblocked } from './deadlock.ts'
import { tendWaits } from './deadlocks/wait-dispatch.ts'
import { tendLimitersOfNodes } from './limiters/limiter-dispatch.ts'
import { drain, leaveIfDrained } from './drain.ts'
import { workerExited } from './exits.ts'
import { applyToGroups, reserveGroups } from './groups/groups.ts'
import { tendGroups } from './groups/cluster-groups.ts'
import { retellHolders, tellGroupWants } from './groups/group-wants.ts'
import { grantAll, killLease, returnLease, wantLeases } from './leases.ts'
import { applyToNodes } from './cluster/node-dispatch.ts'
import { endShunning } from './cluster/remote-leases.ts'
import { seeOwnRoom } from './cluster/own-room.ts'
import { placeLeases } from './cluster/lease-placement.ts'
import { returnTokens, takeTokens, tendLimiters } from './limiters.ts'
import { memorySampled } from './memory.ts'
import { staying } from './orphans.ts'
import type { Client, RayletState } from './state.ts'
import type { EventOf, RayletEffect, RayletEvent, Turn } from './turn.ts'
import { owning, tendWorkers } from './workers.ts'

/** Take in one event; changes `state` and returns what is to be done, in order. */
export function step(state: RayletState, event: RayletEvent): RayletEffect[] {
  const turn: Turn = { state, nowMs: event.nowMs, effects: [] }
  apply(turn, event)
  endIdleJobs(turn)
  giveActors(turn)
  leaveIfDrained(turn)
  state.fenced = event.nowMs >= state.leaseUntilMs
  if (state.leaving || state.fenced) return turn.effects
  if (state.draining) {
    placeLeases(turn) // DR3
    return turn.effects
  }
  reserveGroups(turn)
  placeActors(turn)
  placeLeases(turn)
  grantAll(turn, (actor, worker) => {
    startActor(turn, actor, worker)
  })
  if (state.cluster !== undefined) {
    tellGroupWants(turn, state.cluster)
    seeOwnRoom(turn, state.cluster)
  }
  return turn.effects
}

function apply(turn: Turn, event: RayletEvent): void {
  switch (event.kind) {
    case 'tick':
      tick(turn)
      return
    case 'clientConnected':
      clientConnected(turn, event)
      return
    case 'clientClosed':
      clientClosed(turn, event)
      return
    case 'workerSpawned':
      workerSpawned(turn, event)
      return
    case 'workerExited':
      exited(turn, event)
      return
    case 'memory':
      memorySampled(turn, event.sample)
      return
    case 'drain':
      drain(turn, event)
      return
    case 'confirmed':
    case 'pace':
    case 'leasesAnswered':
    case 'heardForClient':
    case 'leaseLapsed':
    case 'nodeLost':
    case 'nodes':
    case 'loads':
    case 'leasesAsked':
    case 'guestWants':
    case 'guestLeft':
    case 'guestLinkClosed':
    case 'waitsAsked':
    case 'waitsAnswered':
    case 'tokensAsked':
    case 'tokensAnswered':
      applyToNodes(turn, event)
      return
    case 'leave':
      leave(turn)
      return
    case 'wantLeases':
    case 'returnLease':
    case 'killLease':
    case 'blocked':
    case 'unblocked':
    case 'takeTokens':
    case 'returnTokens':
    case 'staying':
    case 'owning':
      applyNotice(turn, event)
      return
    case 'createGroup':
    case 'awaitGroup':
    case 'removeGroup':
    case 'groupAsked':
    case 'groupAnswered':
    case 'groupLinkClosed':
    case 'groupRead':
    case 'groupWritten':
    case 'groupClaimed':
      applyToGroups(turn, event)
      return
    default:
      applyToActors(turn, event)
  }
}

type ProcessNotice = EventOf<
  | 'wantLeases'
  | 'returnLease'
  | 'killLease'
  | 'blocked'
  | 'unblocked'
  | 'takeTokens'
  | 'returnTokens'
  | 'staying'
  | 'owning'
>

function applyNotice(turn: Turn, event: ProcessNotice): void {
  const client: Client | undefined = turn.state.clients.get(event.client)
  if (client === undefined) return
  switch (event.kind) {
    case 'wantLeases':
      wantLeases(turn, client, event)
      return
    case 'returnLease':
      returnLease(turn, client, event.leaseId, event.retire)
      return
    case 'killLease':
      killLease(turn, client, event)
      return
    case 'blocked':
      blocked(turn, event)
      return
    case 'unblocked':
      unblocked(turn, event.client, event.waitId)
      return
    case 'takeTokens':
      takeTokens(turn, event)
      return
    case 'returnTokens':
      returnTokens(turn, event)
      return
    case 'staying':
      staying(turn, event)
      return
    case 'owning':
      owning(turn, event)
      return
    default:
      unreachable(event)
  }
}

function tick(turn: Turn): void {
  turn.state.wakeAtMs = Infinity
  tendWorkers(turn)
  reportDeadlocks(turn)
  tendLimiters(turn)
  endShunning(turn)
  const { cluster } = turn.state
  if (cluster === undefined) return
  tendGroups(turn, cluster)
  retellHolders(turn, cluster)
  tendWaits(turn, cluster)
  tendLimitersOfNodes(turn, cluster)
}

function workerSpawned(turn: Turn, event: EventOf<'workerSpawned'>): void {
  const worker = turn.state.workers.get(event.worker)
  if (worker !== undefined) worker.pid = event.pid
}

function leave({ state, effects }: Turn): void {
  state.leaving = true
  effects.push({ kind: 'leave' })
}

/** The last worker of a job that has ended takes the job with it. */
function exited(turn: Turn, event: EventOf<'workerExited'>): void {
  workerExited(turn, event)
  for (const job of [...turn.state.jobs.values()]) forgetIfDone(turn, job)
}
