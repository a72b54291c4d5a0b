// This raylet's dealings with those of other nodes: membership, leases, objects and output between
// nodes, and what is asked of all of them. Each is a part of its own; here they are put together.
// What comes from another node is given to the one that it is for by peer-dispatch.ts.
import { unreachable } from '../../common/assert.ts'
import { jobIdOfObject, toHex, type JobId, type ObjectId, type WorkerId } from '../../common/ids.ts'
import { DRAIN_GRACE_MS } from '../../common/limits.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { NodeCommand, NodeDeath } from '../../gcs/nodes.ts'
import type { ClientNotices, JobSpec, RayletCalls } from '../../protocol/messages.ts'
import { ActorAdopter } from '../actors/actor-adopter.ts'
import type { ActorEffectOfNodes } from '../actors/actor-events.ts'
import { ActorRows } from '../actors/actor-rows.ts'
import { askToAdopt } from '../actors/ask-to-adopt.ts'
import { haveOthersMet } from '../actors/others-met.ts'
import { goneElsewhere } from '../actors/gone-actors.ts'
import { tellDeath } from '../actors/tell-death.ts'
import type { Brain } from '../brain.ts'
import type { Stimulus } from '../client-link.ts'
import { ClusterActors } from '../actors/cluster-actors.ts'
import { ClusterLeases } from './cluster-leases.ts'
import { ClusterLineage } from './cluster-lineage.ts'
import { ClusterMember, type ClusterPorts } from './cluster-member.ts'
import { clusterRows } from './cluster-rows.ts'
import type { WaitEffect } from '../deadlocks/wait-events.ts'
import type { LimiterEffect } from '../limiters/limiter-events.ts'
import { PARK_MS } from '../limiters/limiter-keeper.ts'
import { BrainPeers } from './brain-peers.ts'
import type { GroupEffect } from '../groups/group-events.ts'
import { GroupPeers } from '../groups/group-peers.ts'
import { handOn, onlyHere } from './hand-on.ts'
import type { Holders } from './holder-search.ts'
import type { JobStore } from '../job-store.ts'
import { ClusterPlaces } from './cluster-places.ts'
import { clearRowsOf } from './dead-rows.ts'
import { ClusterJobs } from './cluster-jobs.ts'
import type { NodeEffect } from './node-events.ts'
import { leasedStorage } from './leased-storage.ts'
import { locate } from './object-places.ts'
import { ObjectPulls } from './object-pulls.ts'
import { PeerDispatch } from './peer-dispatch.ts'
import type { RayletDeps } from '../raylet-ports.ts'
import type { SilentWaits } from './silent-waits.ts'
import { SpillSweeper } from './spill-sweeper.ts'
import { sweepAtEnd } from './sweep-at-end.ts'
import { STATE_ROWS_DEFAULT, type StateQueries } from '../state-queries.ts'
import type { RayletState } from '../state.ts'
import type { RayletEffect } from '../turn.ts'
import type { WorkerProcesses } from '../worker-processes.ts'

/** What is asked of another brain, which answers at once. */
const ASK_LIMIT_MS = 5_000

type JobForgotten = Extract<RayletEffect, { kind: 'jobForgotten' }>
type StateCall = RayletCalls['state']
type EffectOfNodes = NodeEffect | GroupEffect | WaitEffect | LimiterEffect | ActorEffectOfNodes

export interface ClusterSideDeps extends RayletDeps {
  readonly cluster: ClusterPorts
  readonly state: RayletState
  readonly brain: Brain
  readonly objects: JobStore
  readonly queries: StateQueries
  readonly silent: SilentWaits
  readonly processes: Pick<WorkerProcesses, 'drainOutput'>
  /** Whether a process is connected. */
  readonly isHere: (client: WorkerId) => boolean
  /** Which of these a process of this node refers to. Rejects where one does not answer. */
  readonly refersTo: (objectIds: readonly string[]) => Promise<readonly string[]>
  /** The GCS wants this node drained. */
  readonly drain: (graceMs: number) => void
  /** Processes of this node are to take nothing from those any more (PE4). */
  readonly livesEnded: (ended: ClientNotices['livesEnded']['ended']) => void
}

export class ClusterSide {
  readonly leases: ClusterLeases
  readonly objects: ObjectPulls
  readonly lineage: ClusterLineage
  readonly #groups: GroupPeers
  readonly #waits: BrainPeers
  readonly #limiters: BrainPeers
  readonly #actors: ClusterActors
  readonly #actorRows: ActorRows
  readonly #adopter: ActorAdopter
  readonly places: ClusterPlaces
  readonly jobs: ClusterJobs
  readonly #deps: ClusterSideDeps
  readonly #member: ClusterMember
  readonly #sweeper: SpillSweeper
  readonly #dispatch: PeerDispatch

  constructor(given: ClusterSideDeps) {
    this.#deps = given
    this.#member = this.#makeMember()
    const member = this.#member
    const { state, clock } = given
    const isLeased = (): boolean => clock.monotonicMs() < state.leaseUntilMs
    const deps = { ...given, storage: leasedStorage(given.storage, isLeased) }
    this.leases = new ClusterLeases({ ...deps, member })
    const { nodeId: id, epoch } = deps.state.config
    const nodeId = toHex(id)
    const self = { nodeId, epoch }
    this.places = new ClusterPlaces({
      ...{ ...deps, nodeId, epoch },
      inBucket: (objectId) => {
        this.objects.isInBucket(objectId)
      },
    })
    const pulls = (): ObjectPulls => this.objects
    this.jobs = new ClusterJobs({ ...deps, self, member, places: this.places, pulls })
    this.#groups = new GroupPeers({
      ...{ ...deps, member, self },
      holdsJob: (jobId) => this.jobs.driven.groups(jobId),
      ownLoad: (to) => this.leases.ownLoad(to),
    })
    this.#waits = new BrainPeers(
      { ...deps, member },
      { asked: 'waitsAsked', answered: 'waitsAnswered', limitMs: ASK_LIMIT_MS },
    )
    this.#limiters = new BrainPeers(
      { ...deps, member },
      { asked: 'tokensAsked', answered: 'tokensAnswered', limitMs: PARK_MS + ASK_LIMIT_MS },
    )
    this.#actors = new ClusterActors({ ...deps, member, leases: this.leases })
    const tell = (stimulus: Stimulus): void => {
      deps.brain.tell(stimulus)
    }
    const ofRows = { ...deps, self, tell }
    const tellOfDeath = (death: NodeDeath): Promise<void> => tellDeath(member, deps.clock, death)
    this.#adopter = new ActorAdopter({
      ...{ ...ofRows, tellOfDeath, hasArrived: () => member.hasArrived },
      isLeaving: () => state.draining || state.leaving,
      clearRowsOf: (gone) => clearRowsOf({ ...deps, jobs: this.jobs.driven }, gone),
    })
    const hasMet = (holder: Holder): boolean => this.#adopter.hasMet(holder)
    this.#actorRows = new ActorRows({
      ...{ ...ofRows, hasMet },
      haveOthersMet: (holder) => haveOthersMet(member, holder),
      goneElsewhere: (wanted) => goneElsewhere(member, wanted),
    })
    this.#sweeper = new SpillSweeper({
      ...{ ...deps, nodeId, member, liveJobs: this.jobs.live },
      store: () => deps.objects.opened,
    })
    this.objects = new ObjectPulls({
      ...{ member, clock: deps.clock, log: deps.log, transport: deps.cluster.transport },
      ...{ nodeId, silent: deps.silent },
      isHere: (client) => deps.isHere(client as WorkerId),
      isDriver: (client) => isDriverHere(deps.state, client as WorkerId),
      restore: (objectId) => this.places.restore(objectId),
      kept: (objectId) => {
        this.jobs.kept.keptFor(jobIdOfObject(objectId as ObjectId))
      },
      store: () => deps.objects.store,
    })
    this.lineage = new ClusterLineage({
      ...{ ...deps, member, places: this.places },
      holdersOf: (objectId) => this.objects.holdersOf(objectId),
    })
    this.#dispatch = this.#makeDispatch()
  }

  /** What the brain wants of other nodes, or of rows that they read. */
  perform(effect: EffectOfNodes): void {
    switch (effect.kind) {
      case 'tellNode':
      case 'askLeases':
      case 'guestLeaseLapsed':
      case 'hasRoomAgain':
        this.leases.perform(effect)
        return
      case 'askGroup':
      case 'registerGroup':
      case 'writeGroup':
      case 'readGroup':
      case 'claimGroup':
      case 'removeGroupRow':
        this.#groups.perform(effect)
        return
      case 'askWaits':
        this.#waits.perform(effect)
        return
      case 'askTokens':
        this.#limiters.perform(effect)
        return
      case 'offerActor':
      case 'locateActor':
      case 'callActor':
      case 'tellActorLink':
        this.#actors.perform(effect)
        return
      case 'registerActor':
      case 'writeActor':
      case 'findActor':
        this.#actorRows.perform(effect)
        return
      case 'askToAdopt':
        void askToAdopt({ member: this.#member, brain: this.#deps.brain }, effect)
        return
      default:
        unreachable(effect)
    }
  }

  /** Resolves when the others know this node. @returns the address by which they reach it. */
  async start(pid: number): Promise<string> {
    const { state, objects } = this.#deps
    await objects.open() // others may ask what it holds before any process of its own connects
    const { nodeId, epoch, totals, labels } = state.config
    const spec = { nodeId: toHex(nodeId), pid, totals, labels }
    const address = await this.#member.start(spec, epoch)
    this.leases.start()
    return address
  }

  drain(): void {
    this.#member.drain()
  }

  /** A driver is on this node. */
  jobBegan(job: JobSpec): void {
    this.jobs.driven.began(job)
  }

  /** A process of this node is gone. */
  clientLeft(client: WorkerId): void {
    this.objects.clientLeft(client)
    this.lineage.clientLeft(client)
    this.jobs.ownerEnded(client)
  }

  /** It is not this node alone that ends. */
  clusterEnds(): void {
    this.#member.clusterEnds('BY_THIS_NODE')
  }

  /** This node begins to end: it asks nothing of others any more. */
  async stop(): Promise<void> {
    if (this.#deps.state.draining && this.#member.leavesAlone) await this.#handOnWhatIsLeft()
    this.leases.stop()
    this.#groups.stop()
    this.#actors.stop()
    this.#actorRows.close()
    this.#adopter.stop()
    this.objects.stop()
    this.lineage.stop()
    this.places.stop()
    this.jobs.stop()
    await this.#member.tellOthers()
  }

  /** @returns whether the store of this node keeps what it has of it, for other nodes. */
  jobForgotten(job: JobForgotten): boolean {
    this.lineage.jobForgotten(job.jobId)
    const isKept = this.jobs.forgotten(job)
    if (!isKept) this.objects.jobForgotten(job.jobId)
    return isKept
  }

  async #handOnWhatIsLeft(): Promise<void> {
    const { state, objects } = this.#deps
    const endsHere = (owner: string): boolean => {
      const client = state.clients.get(owner as WorkerId)
      return client !== undefined && client.link === undefined
    }
    await this.handOn(onlyHere(objects.store, endsHere))
  }

  /** F06. @returns those of them that outlive this node. */
  async handOn(objectIds: readonly ObjectId[]): Promise<readonly ObjectId[]> {
    const { state, objects } = this.#deps
    const { store } = objects
    const deps = { ...this.#deps, member: this.#member, nodeId: toHex(state.config.nodeId), store }
    const keep = (objectId: ObjectId): Promise<void> => this.places.keep(objectId)
    const keepInBucket = objects.opened?.bucket === undefined ? undefined : keep
    const holdersOf = (objectId: string): Promise<Holders> => this.objects.holdersOf(objectId)
    return await handOn({ ...deps, holdersOf, keepInBucket }, objectIds, DRAIN_GRACE_MS)
  }

  /** To be called when nothing of this node runs any more. */
  async leave(): Promise<void> {
    const { end } = this.#member
    await sweepAtEnd(this.#deps, this.#sweeper.stop(end), this.jobs.driven.leave(end))
    await this.#member.leave()
  }

  /** @param own  the rows of this node. @returns those of all. */
  async query(message: StateCall[0], own: StateCall[1]): Promise<StateCall[1]> {
    const member = this.#member
    const { kind, limit = STATE_ROWS_DEFAULT } = message
    const answers = [own, ...(await member.askAll('state', { kind, limit }))]
    return clusterRows({ kind, limit, nodes: member.nodes() }, answers)
  }

  locate(sought: RayletCalls['locateObjects'][0]): ReturnType<typeof locate> {
    const { objects, silent, clock } = this.#deps
    const { store } = objects
    return locate({ store, member: this.#member, places: this.places, silent, clock }, sought)
  }

  /** What workers of that job have printed on other nodes has been sent. */
  async drainOutput(jobId: JobId): Promise<void> {
    await this.#member.askAll('drainOutput', { jobId })
  }

  #makeDispatch(): PeerDispatch {
    const { objects, processes } = this.#deps
    return new PeerDispatch({
      ...{ member: this.#member, leases: this.leases, lineage: this.lineage, jobs: this.jobs },
      ...{ groups: this.#groups, waits: this.#waits, limiters: this.#limiters },
      ...{ actors: this.#actors, adopter: this.#adopter, pulls: this.objects },
      ...{ objects, processes },
    })
  }

  #makeMember(): ClusterMember {
    const { brain, log, queries } = this.#deps
    const leave = (): void => {
      brain.tell({ kind: 'leave' })
    }
    return new ClusterMember(this.#deps, {
      confirmed: (untilMs) => {
        brain.tell({ kind: 'confirmed', untilMs })
      },
      command: (command) => {
        this.#command(command)
      },
      expelled: (error) => {
        log.error('this node is no member any more', { error: error.message })
        leave()
      },
      stopped: leave,
      nodes: (nodes) => {
        this.leases.nodes(nodes)
        this.objects.nodes(nodes)
        this.jobs.unowned.nodes(nodes)
        this.#actors.nodes(nodes)
        this.#adopter.nodes(nodes)
        this.#sweeper.nodes(nodes)
      },
      localRows: (message) => queries.answer(message),
      requested: (message) => this.#dispatch.requested(message),
      notified: (message) => {
        this.#dispatch.notified(message)
      },
      lost: (nodeId) => {
        this.objects.lost(nodeId)
        this.jobs.unowned.lost()
        brain.tell({ kind: 'nodeLost', nodeId })
      },
      linkClosed: (link) => {
        this.leases.linkClosed(link)
        this.#groups.linkClosed(link)
        this.#actors.linkClosed(link)
      },
      bulk: (connection) => {
        this.objects.serve(connection)
      },
    })
  }

  #command(command: NodeCommand): void {
    const { log, brain, drain } = this.#deps
    log.info('the GCS has a command', { command: command.kind })
    if (command.kind === 'drain') drain(DRAIN_GRACE_MS)
    else brain.tell({ kind: 'leave' })
    this.#member.performed(command)
  }
}

const isDriverHere = ({ clients }: RayletState, id: WorkerId): boolean => {
  const client = clients.get(id)
  return client?.role === 'driver' && client.link === undefined
}
