// What other nodes ask of this one and tell it, given to the part that each message is for. What
// membership answers itself never comes here (cluster-member.ts).
import type { WorkerId } from '../../common/ids.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { ActorAdopter } from '../actors/actor-adopter.ts'
import type { LeftActor } from '../actors/actor-events.ts'
import type { ClusterActors } from '../actors/cluster-actors.ts'
import { isWaitCall, type WaitCall } from '../deadlocks/wait-messages.ts'
import { isGroupCall, type GroupCall } from '../groups/group-messages.ts'
import type { GroupPeers } from '../groups/group-peers.ts'
import type { JobStore } from '../job-store.ts'
import { isLimiterCall, type LimiterCall } from '../limiters/limiter-messages.ts'
import type { WorkerProcesses } from '../worker-processes.ts'
import type { BrainPeers } from './brain-peers.ts'
import type { ClusterJobs } from './cluster-jobs.ts'
import type { ClusterLeases } from './cluster-leases.ts'
import type { ClusterLineage } from './cluster-lineage.ts'
import type { ClusterMember, MemberCall } from './cluster-member.ts'
import { PING_LIMIT_MS } from './membership-peers.ts'
import type { ObjectPulls } from './object-pulls.ts'
import type { PeerMessage, PeerRayletCalls, PeerRayletNotices } from './peer-raylet-messages.ts'

export interface PeerDispatchParts {
  readonly member: Pick<ClusterMember, 'ask'>
  readonly leases: Pick<ClusterLeases, 'requested' | 'notified'>
  readonly pulls: Pick<ObjectPulls, 'requested' | 'freed' | 'copyIs'>
  readonly lineage: Pick<ClusterLineage, 'requested'>
  readonly groups: Pick<GroupPeers, 'requested'>
  readonly waits: Pick<BrainPeers, 'requested'>
  readonly limiters: Pick<BrainPeers, 'requested'>
  readonly actors: Pick<ClusterActors, 'requested' | 'notified'>
  readonly adopter: Pick<ActorAdopter, 'hasMet' | 'adopt'>
  readonly jobs: Pick<ClusterJobs, 'live' | 'unowned' | 'ownerEnded'>
  readonly objects: Pick<JobStore, 'clientExited'>
  readonly processes: Pick<WorkerProcesses, 'drainOutput'>
}

type OneOfMany = MemberCall | GroupCall | WaitCall | LimiterCall

export class PeerDispatch {
  readonly #parts: PeerDispatchParts

  constructor(parts: PeerDispatchParts) {
    this.#parts = parts
  }

  requested(whole: PeerMessage): unknown {
    const { groups, waits, limiters, jobs, adopter, leases, lineage, actors, pulls } = this.#parts
    const { type, from, message } = whole
    if (isGroupCall(type)) return groups.requested(whole)
    if (isWaitCall(type)) return waits.requested(whole)
    if (isLimiterCall(type)) return limiters.requested(whole)
    switch (type as Exclude<keyof PeerRayletCalls, OneOfMany>) {
      case 'liveJobs':
        return { jobIds: jobs.live() }
      case 'refersTo':
        return jobs.unowned.answer(message as PeerRayletCalls['refersTo'][0])
      case 'hasMet':
        return { hasMet: adopter.hasMet(message as Holder) }
      case 'adoptActor':
        return adopter.adopt(message as LeftActor)
      case 'askLeases':
        return leases.requested(whole)
      case 'isAlive':
      case 'findSegment':
        return lineage.requested(whole)
      case 'offerActor':
      case 'watchActor':
      case 'callActor':
      case 'goneActor':
        return actors.requested(whole)
      case 'drainOutput':
        return this.#drainFor(from, message as PeerRayletCalls['drainOutput'][0])
      case 'holds':
      case 'reaches':
      case 'joinReaders':
      case 'relayObject':
      case 'keepObject':
      case 'freeMissed':
        return pulls.requested(whole)
    }
  }

  notified(whole: PeerMessage): void {
    const { leases, actors, pulls } = this.#parts
    const { type, message } = whole
    switch (type as Exclude<keyof PeerRayletNotices, 'suspicion'>) {
      case 'freeObjects':
        pulls.freed(message as PeerRayletNotices['freeObjects'])
        return
      case 'copyIs':
        pulls.copyIs(whole)
        return
      case 'actorChanged':
      case 'actorMoved':
        actors.notified(whole)
        return
      case 'guestLeft':
        this.#guestLeft(whole, message as PeerRayletNotices['guestLeft'])
        return
      case 'gossip':
      case 'guestWants':
      case 'returnLease':
      case 'killLease':
      case 'toClient':
      case 'leaseLapsed':
        leases.notified(whole)
    }
  }

  #guestLeft(whole: PeerMessage, { client }: { readonly client: WorkerId }): void {
    const { jobs, leases, objects } = this.#parts
    jobs.ownerEnded(client) // its job may be forgotten with it
    leases.notified(whole)
    // Its process has ended: what it owned is freed, and what it pinned is no longer mapped.
    objects.clientExited(client)
  }

  /** Lines go on the connection dialled here: what is answered on it comes after them. */
  async #drainFor(nodeId: string, { jobId }: PeerRayletCalls['drainOutput'][0]): Promise<void> {
    await this.#parts.processes.drainOutput(jobId)
    await this.#parts.member.ask(nodeId, 'ping', {}, PING_LIMIT_MS)
  }
}
