// The library inside every driver and worker: submits, owns refs, gets. A worker adds an Executor
// (worker-side.ts). This file wires the parts; each part has a file of its own, and those that lean
// on several others are made in parts.ts.
import type { Clock } from '../common/clock.ts'
import type { Finalization } from '../common/finalization.ts'
import type { KnowsIntegers } from '../common/integer-arrays.ts'
import { type JobId, type ObjectId, type WorkerId } from '../common/ids.ts'
import type { Hash, Random } from '../common/random.ts'
import type { StackView } from '../common/stack.ts'
import type { Transport } from '../protocol/connection.ts'
import type { ActorInfo } from '../protocol/actor-messages.ts'
import type { Welcome } from '../protocol/messages.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import type { PeerNotices } from '../protocol/peer-messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { makeActorHandle, type ActorTarget } from './actor-handle.ts'
import { Actors } from './actors.ts'
import { ArgumentHolders } from './argument-holders.ts'
import { Adoption } from './adoption.ts'
import type { EncodedArguments } from './arguments.ts'
import { Blocking } from './blocking.ts'
import { DurableJob } from './durable-job.ts'
import { Collector } from './collector.ts'
import type { ContextStorage } from './context.ts'
import type { Sources } from './function-sources.ts'
import type { Executor } from './execute.ts'
import type { Getter } from './get.ts'
import type { HandOver } from './hand-over.ts'
import { Handoffs } from './handoffs.ts'
import type { Leases } from './leases.ts'
import { Limiters } from './limiters.ts'
import { MadeAt } from './made-at.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { LineageStream } from './lineage-stream.ts'
import { entryIn, refOf, type ObjectRef } from './object-ref.ts'
import {
  makeEnds,
  makeGetter,
  makeLineage,
  makeLineageStream,
  makeReceiver,
  makeLeases,
  makeReferences,
  makeRootScope,
  makeSubmitter,
  makeUntilHeard,
} from './parts.ts'
import { CutBorrowers } from './cut-borrowers.ts'
import { Peers, type Peer } from './peers.ts'
import type { RayletLink } from './raylet-link.ts'
import { peerHandlers } from './peer-handlers.ts'
import { ActorRegistry } from './actor-registry.ts'
import { storeLink } from './store-link.ts'
import type { Lineage } from './lineage.ts'
import type { References } from './references.ts'
import { Recovery } from './recovery.ts'
import type { ReplyReceiver } from './reply-receiver.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { Scope } from './scope.ts'
import { StoreClient, type ObjectMemory } from './store-client.ts'
import { Tally } from './tally.ts'
import type { Submitter } from './submit.ts'
import type { TaskEnds } from './task-ends.ts'
import { refuseForce, type TaskKind } from './task-kind.ts'
import type { TaskRecord } from './task-record.ts'
import type { UntilHeard } from './until-heard.ts'
import { Values } from './values.ts'

export interface CoreWorkerDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly finalization: Finalization
  readonly knowsIntegers?: KnowsIntegers
  readonly context: ContextStorage
  readonly memory: ObjectMemory
  readonly raylet: RayletLink
  readonly sources: Sources
  /** Whose frames are hidden in errors, and how the others are mapped to their sources. */
  stackView(): StackView
  /** For control messages: no handles. */
  readonly plainCodec: ValueCodec
  /** For values: made with the handle codecs of this core-worker. */
  valueCodec(worker: CoreWorker): ValueCodec
}

export interface CoreWorkerOptions {
  readonly workerId: WorkerId
  readonly address: string
  readonly pid: number
  readonly mode: 'driver' | 'worker'
  readonly welcome: Welcome
  closeListener(): Promise<void>
}

/** What an executing process adds: set by worker-side.ts. */
export interface Execution {
  readonly executor: Executor
  readonly replies: ReplyWriter
  /** What this process may use while it is leased. */
  leased(this: void, message: PeerNotices['leased']): void
}

export class CoreWorker {
  readonly deps: CoreWorkerDeps
  readonly options: CoreWorkerOptions
  readonly codec: ValueCodec
  readonly references: References
  readonly untilHeard: UntilHeard
  readonly cutBorrowers: CutBorrowers
  readonly handoffs: Handoffs
  readonly peers: Peers
  readonly store: StoreClient
  readonly ends: TaskEnds
  /** Absent where the cluster is one node. */
  readonly holders: ArgumentHolders | undefined
  readonly submitter: Submitter
  readonly receiver: ReplyReceiver
  readonly leases: Leases
  readonly tally: Tally
  readonly actors: Actors
  readonly collector: Collector
  readonly getter: Getter
  readonly rootScope: Scope
  execution: Execution | undefined
  /** Absent where the cluster is one node: nobody could go on with what is here. */
  readonly lineageStream: LineageStream | undefined
  readonly durable: DurableJob | undefined
  readonly awaited: WeakMap<TaskRecord, EncodedArguments> | undefined
  readonly adoption: Adoption | undefined
  readonly limiters: Limiters
  readonly registry = new ActorRegistry(this)
  readonly values = new Values(this)
  readonly lineage: Lineage
  readonly madeAt = new MadeAt()
  readonly recovery: Recovery
  readonly blocking = new Blocking(this)
  #hasLeft = false
  /** Set when its node leaves, and it with it. */
  handOver: HandOver | undefined

  /** @param where  the node, in hex, that alone may have it; else all are told, or which made it. */
  readonly storeFree = (objectId: ObjectId, where?: string): void => {
    this.store.freed(objectId)
    const at = where ?? this.madeAt.take(objectId)
    this.deps.raylet.notify('storeFree', { objectIds: [objectId], at })
  }

  constructor(deps: CoreWorkerDeps, options: CoreWorkerOptions) {
    this.deps = deps
    this.options = options
    const { clock, finalization, memory, raylet } = deps
    this.codec = deps.valueCodec(this)
    const dial = (address: string): Peer => this.peers.dial(address)
    if (options.welcome.keepsLineage === true) {
      this.lineageStream = makeLineageStream(this)
      this.adoption = new Adoption(this)
      this.awaited = new WeakMap()
      if (options.welcome.job.durable === true) this.durable = new DurableJob(this)
    }
    this.references = makeReferences(this)
    this.lineage = makeLineage(this)
    this.collector = new Collector(clock, finalization)
    this.handoffs = new Handoffs(this.references, (peer, gone) => {
      this.cutBorrowers.closed(peer, gone)
    })
    this.peers = new Peers(
      { transport: deps.transport, clock, codec: deps.plainCodec },
      { workerId: options.workerId, address: options.address, jobId: this.jobId },
      peerHandlers(this),
    )
    this.untilHeard = makeUntilHeard(this)
    this.cutBorrowers = new CutBorrowers(this)
    const { collector } = this
    this.store = new StoreClient({ clock, collector, memory, link: storeLink(raylet) })
    this.leases = makeLeases(this)
    this.tally = new Tally({
      clock,
      report: (functions) => {
        raylet.notify('progress', { functions })
      },
      running: () => this.peers.running(),
    })
    this.limiters = new Limiters({
      clock,
      notifyRaylet: (type, message) => {
        raylet.notify(type, message)
      },
      fail: (record, error) => {
        this.ends.fail(record, error)
      },
    })
    const here = this.ownNodeId
    if (here !== undefined) this.holders = new ArgumentHolders(here)
    this.ends = makeEnds(this)
    this.submitter = makeSubmitter(this)
    this.receiver = makeReceiver(this)
    raylet.onClosed = (error) => {
      this.#failAll(error)
    }
    this.actors = new Actors({
      dial,
      watch: (info) => this.registry.watch(info),
      real: (info) => this.registry.real(info),
      ends: this.ends,
      clock,
      ownAddress: options.address,
    })
    this.getter = makeGetter(this)
    this.recovery = new Recovery(this)
    this.rootScope = makeRootScope(this)
  }

  /** In hex; undefined where the cluster is one node. */
  get ownNodeId(): string | undefined {
    return nodeIdIn(this.options.address)
  }

  get jobId(): JobId {
    return this.options.welcome.jobId
  }

  /** Whether close() was called. */
  get hasLeft(): boolean {
    return this.#hasLeft
  }

  get namespace(): string {
    return this.options.welcome.namespace
  }

  /** The running task's scope, or the driver's own. */
  scope(): Scope {
    return this.deps.context.current() ?? this.rootScope
  }

  /** Submits a task; its returns are read from the record. */
  submit(kind: TaskKind, args: readonly unknown[]): TaskRecord {
    return this.submitter.submitTask(kind, this.scope(), args)
  }

  ref(entry: ObjectEntry): ObjectRef {
    return refOf(entry, this.references)
  }

  /** @throws UsageError for the call of an actor by force. */
  cancel(ref: ObjectRef, options: { force: boolean; recursive: boolean }): void {
    const entry = entryIn(ref, this.references)
    if (entry.task !== undefined) {
      if (options.force) refuseForce(entry.task.kind)
      this.submitter.cancel(entry.task, options)
    } else if (entry.pending && entry.sharing?.ownerAddress !== undefined) {
      const objectId = this.references.idOf(entry)
      this.peers.dial(entry.sharing.ownerAddress).with((channel) => {
        channel.notify('cancelObject', { objectId, ...options })
      })
    }
  }

  actorHandle(info: ActorInfo, entry: ObjectEntry, method: ActorTarget['method']): object {
    return makeActorHandle({ info, entry, method, hasLeft: () => this.hasLeft })
  }

  /** Others have come to hold something of this process, which may be leaving. */
  handOverMore(): void {
    this.handOver?.run()
  }

  /** The cluster is gone. */
  #failAll(error: Error): void {
    this.lineageStream?.stop()
    this.ends.failAll(error)
    this.blocking.failAll(error)
    this.actors.failAll(error)
  }

  async close(): Promise<void> {
    this.#hasLeft = true
    this.tally.flush()
    this.lineageStream?.stop()
    this.untilHeard.stop()
    this.peers.closeAll()
    this.deps.raylet.close()
    await this.options.closeListener()
  }
}
