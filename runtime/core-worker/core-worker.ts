// The library inside every driver and worker: submits, owns refs, gets. A worker adds an Executor
// (worker-side.ts). This file wires the parts; each part has a file of its own.
import type { Clock } from '../common/clock.ts'
import type { NodeDiedError } from '../common/errors.ts'
import type { Finalization } from '../common/finalization.ts'
import {
  TASK_ID_BYTES,
  driverTaskId,
  type ActorId,
  type JobId,
  type TaskId,
  type WorkerId,
} from '../common/ids.ts'
import type { Hash, Random } from '../common/random.ts'
import type { StackView } from '../common/stack.ts'
import type { Transport } from '../protocol/connection.ts'
import type {
  ActorInfo,
  ActorSpec,
  ActorView,
  ClientNotices,
  PeerCalls,
  PeerNotices,
  Welcome,
} from '../protocol/messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { makeActorHandle, type ActorTarget } from './actor-handle.ts'
import { Actors } from './actors.ts'
import { ArgumentEncoder } from './arguments.ts'
import { Blocking } from './blocking.ts'
import { withCallSite } from './call-site.ts'
import type { ContextStorage } from './context.ts'
import type { Sources } from './function-sources.ts'
import type { Executor } from './execute.ts'
import { Getter } from './get.ts'
import { Handoffs } from './handoffs.ts'
import { Leases } from './leases.ts'
import { Limiters } from './limiters.ts'
import { ObjectEntry } from './object-entry.ts'
import { entryIn, refOf, type ObjectRef } from './object-ref.ts'
import { Peers, type Peer } from './peers.ts'
import type { RayletLink } from './raylet-link.ts'
import { actorObjectId, References } from './references.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { Scope } from './scope.ts'
import { StoreClient, type ObjectMemory } from './store-client.ts'
import { Tally } from './tally.ts'
import { Submitter } from './submit.ts'
import type { TaskKind } from './task-kind.ts'
import type { TaskRecord } from './task-record.ts'
import { Values } from './values.ts'

export interface CoreWorkerDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly finalization: Finalization
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
  readonly handoffs: Handoffs
  readonly peers: Peers
  readonly store: StoreClient
  readonly submitter: Submitter
  readonly leases: Leases
  readonly tally: Tally
  readonly actors: Actors
  readonly getter: Getter
  readonly rootScope: Scope
  execution: Execution | undefined
  readonly limiters: Limiters
  readonly values = new Values(this)
  readonly blocking = new Blocking(this)
  readonly #creating = new Map<ActorId, Promise<ActorInfo>>()
  /** Handles that getIfExists gave another actor: the id they were made with, and the real one. */
  readonly #realIds = new Map<ActorId, ActorId>()
  /** Entries of actors whose creation is not registered yet. */
  readonly #unregistered = new Set<ObjectEntry>()

  constructor(deps: CoreWorkerDeps, options: CoreWorkerOptions) {
    this.deps = deps
    this.options = options
    const { clock, finalization, raylet } = deps
    this.codec = deps.valueCodec(this)
    const dial = (address: string): Peer => this.peers.dial(address)
    this.references = new References({
      finalization,
      dial,
      ownAddress: options.address,
      jobId: this.jobId,
      storeFree: (objectId) => {
        this.store.freed(objectId)
        raylet.notify('storeFree', { objectIds: [objectId] })
      },
      actorGone: (objectId) => {
        this.#actorGone(objectId.slice(0, 12) as ActorId)
      },
    })
    this.handoffs = new Handoffs(this.references)
    this.peers = new Peers(
      { transport: deps.transport, clock, codec: deps.plainCodec },
      { workerId: options.workerId, address: options.address, jobId: this.jobId },
      this.#peerHandlers(),
    )
    const { memory } = deps
    this.store = new StoreClient({ clock, finalization, memory, link: storeLink(raylet) })
    this.leases = new Leases({
      clock,
      dial,
      notifyRaylet: (type, message) => {
        raylet.notify(type, message)
      },
    })
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
        this.submitter.fail(record, error)
      },
    })
    this.submitter = this.#makeSubmitter()
    this.actors = new Actors({
      dial,
      watch: (actorId) => this.#watch(actorId),
      submitter: () => this.submitter,
      clock,
    })
    this.getter = new Getter({
      clock,
      codec: this.codec,
      store: this.store,
      entryOf: (ref) => entryIn(ref, this.references),
      resolve: (entry) => {
        this.values.resolve(entry)
      },
      block: (entries, fail, need) => this.blocking.block(entries, fail, need),
      present: (error, site) => withCallSite(error, site, this.#label(), deps.stackView()),
    })
    this.rootScope = this.#makeRootScope()
  }

  get jobId(): JobId {
    return this.options.welcome.jobId
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

  cancel(ref: ObjectRef, options: { force: boolean; recursive: boolean }): void {
    const entry = entryIn(ref, this.references)
    if (entry.task !== undefined) this.submitter.cancel(entry.task, options)
    else if (entry.pending && entry.sharing?.ownerAddress !== undefined) {
      const objectId = this.references.idOf(entry)
      this.peers.dial(entry.sharing.ownerAddress).with((channel) => {
        channel.notify('cancelObject', { objectId, ...options })
      })
    }
  }

  #actorGone(actorId: ActorId): void {
    this.#creating.delete(actorId)
    this.#realIds.delete(actorId)
    this.actors.forget(actorId)
    this.deps.raylet.notify('actorHandlesGone', { actorId })
  }

  /** Registers an actor with the raylet once its constructor's arguments are in. */
  createActor(spec: Omit<ActorSpec, 'args'>, args: readonly unknown[], entry: ObjectEntry): void {
    const { actorId } = spec
    const { ready, holds } = this.submitter.constructorArguments(args)
    // A restart runs the constructor again: what its arguments refer to lives as long as the actor.
    this.references.share(entry, holds)
    const creating = ready.then((encoded) =>
      this.deps.raylet.request('createActor', { ...spec, args: encoded }),
    )
    this.#unregistered.add(entry)
    const registered = (info?: ActorInfo): void => {
      this.#unregistered.delete(entry)
      if (info === undefined || info.actorId === actorId) return
      this.#realIds.set(actorId, info.actorId)
      // The actor that was found lives as long as this handle does.
      this.references.share(entry, [...holds, this.borrowActor(info)])
    }
    creating.then(registered, () => {
      registered() // told by the first call, through #watch
    })
    this.#creating.set(actorId, creating)
  }

  actorHandle(info: ActorInfo, entry: ObjectEntry, method: ActorTarget['method']): object {
    return makeActorHandle({ info, entry, method })
  }

  /** An entry that counts the handles of an actor. */
  actorEntry(actorId: ActorId, owned: boolean): ObjectEntry {
    const id = actorObjectId(actorId)
    const known = this.references.find(id)
    if (known !== undefined) return known
    const entry = new ObjectEntry(undefined, 0, 0)
    entry.id = id
    if (owned) this.references.share(entry)
    return entry
  }

  /** The entry of an actor found by name: registered with its owner, if it has one elsewhere. */
  borrowActor(info: ActorInfo): ObjectEntry {
    const { actorId, ownerAddress } = info
    if (ownerAddress === undefined) return this.actorEntry(actorId, false)
    return this.references.borrowed(actorObjectId(actorId), ownerAddress)
  }

  async close(): Promise<void> {
    this.tally.flush()
    this.peers.closeAll()
    this.deps.raylet.close()
    await this.options.closeListener()
  }

  /** Handlers of what the raylet tells. */
  readonly notices = {
    leaseGranted: (message: ClientNotices['leaseGranted']): void => {
      this.leases.granted(message)
    },
    classRefused: (message: ClientNotices['classRefused']): void => {
      this.submitter.classRefused(message)
    },
    reclaimLease: (message: ClientNotices['reclaimLease']): void => {
      this.leases.reclaim(message.leaseId)
    },
    leaseBroken: (message: ClientNotices['leaseBroken']): void => {
      this.submitter.leaseBroken(message)
    },
    actorChanged: (view: ActorView): void => {
      this.actors.changed(view)
      for (const [actorId, real] of this.#realIds) {
        if (real === view.actorId) this.actors.changed({ ...view, actorId })
      }
    },
    tokensGranted: (message: ClientNotices['tokensGranted']): void => {
      this.limiters.granted(message)
    },
    tokensRefused: (message: ClientNotices['tokensRefused']): void => {
      this.limiters.refused(message)
    },
    shedMemory: (): void => {
      this.store.shed()
    },
    checkWait: ({ waitId }: ClientNotices['checkWait']): void => {
      this.blocking.check(waitId)
    },
    deadlock: ({ waitId, chain }: ClientNotices['deadlock']): void => {
      this.blocking.deadlock(waitId, chain)
    },
  }

  #label(): string {
    const { mode, pid } = this.options
    return mode === 'driver' ? 'driver' : `worker ${String(pid)}`
  }

  #makeRootScope(): Scope {
    const { jobId, options } = this
    return new Scope({
      jobId,
      hash: this.deps.hash,
      // What a worker does outside of any task must not make the driver's ids.
      taskId:
        options.mode === 'driver'
          ? driverTaskId(jobId)
          : ((options.workerId.slice(0, TASK_ID_BYTES - jobId.length) + jobId) as TaskId),
      name: options.mode,
      attempt: 0,
      resources: {},
      gpuIds: [],
      mode: 'driver',
      coreWorker: this,
    })
  }

  #makeSubmitter(): Submitter {
    const { clock, raylet } = this.deps
    const encoder = new ArgumentEncoder({
      codec: this.codec,
      entryOf: (ref) => entryIn(ref, this.references),
      storeLarge: (encoded) => this.values.storeLarge(encoded),
    })
    const submitter = new Submitter({
      clock,
      codec: this.codec,
      references: this.references,
      handoffs: this.handoffs,
      leases: this.leases,
      tally: this.tally,
      encoder,
      streamHooks: {
        consumed: (record, consumed) => {
          const { peer, seq } = record
          peer?.with((channel) => {
            channel.notify('streamAck', { seq, consumed })
          })
        },
      },
      storeFree: (objectId) => {
        raylet.notify('storeFree', { objectIds: [objectId] })
      },
      resolve: (entry) => {
        this.values.resolve(entry)
      },
      killWorker: (peer) => {
        const lease = this.leases.leaseAt(peer)
        if (lease !== undefined) raylet.notify('killLease', { leaseId: lease.leaseId })
      },
      actorRetry: (record) => {
        this.actors.again(record)
      },
      actorReady: (record) => {
        this.actors.ready(record)
      },
      limit: (record, start) => {
        this.limiters.acquire(record, start)
      },
      limitDone: (record) => {
        this.limiters.release(record)
      },
    })
    submitter.onPending = (some) => {
      raylet.hold(some ? 1 : -1)
    }
    raylet.onClosed = (error) => {
      this.#nodeDied(error)
    }
    return submitter
  }

  realActorId(actorId: ActorId): ActorId {
    return this.#realIds.get(actorId) ?? actorId
  }

  async #watch(actorId: ActorId): Promise<ActorView> {
    const info = await (this.#creating.get(actorId) ?? Promise.resolve(undefined))
    this.#creating.delete(actorId)
    const real = info?.actorId ?? actorId
    const view = await this.deps.raylet.request('watchActor', { actorId: real })
    return { ...view, actorId }
  }

  /** Waits until a created actor is known under its real id (getIfExists may find another). */
  async settledActorId(actorId: ActorId): Promise<ActorId> {
    const info = await (this.#creating.get(actorId) ?? Promise.resolve(undefined))
    return info?.actorId ?? this.realActorId(actorId)
  }

  #nodeDied(error: NodeDiedError): void {
    this.submitter.failAll(error)
    this.blocking.failAll(error)
  }

  #peerHandlers(): ConstructorParameters<typeof Peers>[2] {
    return {
      push: (peer, reader) => {
        this.#execute().executor.push(peer, reader)
      },
      reply: (peer, reader) => {
        this.submitter.replies(peer, reader)
      },
      closed: (peer) => {
        this.execution?.executor.ownerGone(peer)
        this.submitter.peerClosed(peer)
      },
      notified: (peer, type, message) => {
        this.#peerNotified(peer, type, message)
      },
      requested: (peer, type, message) => {
        const { objectId } = message as PeerCalls['getObject'][0]
        if (type === 'getObject') return this.values.describe(objectId)
        if (type === 'borrow') this.references.lend(peer, objectId)
        return undefined
      },
    }
  }

  #execute(): Execution {
    if (this.execution === undefined)
      throw new Error('tasks were pushed to a process that runs none')
    return this.execution
  }

  #peerNotified(peer: Peer, type: string, message: object): void {
    const handlers: Readonly<Record<string, ((peer: Peer, message: never) => void) | undefined>> =
      this.#onPeer
    handlers[type]?.(peer, message as never)
  }

  readonly #onPeer: {
    readonly [K in keyof PeerNotices]: (peer: Peer, message: PeerNotices[K]) => void
  } = {
    template: () => undefined, // handled by the peer itself
    leased: (_, message) => {
      this.#execute().leased(message)
    },
    handBack: (peer) => {
      this.#execute().executor.handBack(peer)
    },
    handedBack: (peer, { seqs }) => {
      this.submitter.handedBack(peer, seqs)
    },
    cancelTask: (peer, message) => {
      this.#execute().executor.cancel(peer, message)
    },
    cancelObject: (_, { objectId, force, recursive }) => {
      const task = this.references.find(objectId)?.task
      if (task !== undefined) this.submitter.cancel(task, { force, recursive })
    },
    started: (peer, { seq }) => {
      this.submitter.started(peer, seq)
    },
    streamItem: (peer, message) => {
      this.submitter.streamItem(peer, message)
    },
    streamAck: (peer, message) => {
      this.#execute().executor.streamAck(peer, message)
    },
    release: (peer, { objectId }) => {
      this.references.release(peer, objectId)
    },
    retiring: (peer) => {
      this.leases.retiring(peer)
    },
    handoffDone: (peer, { handoffId }) => {
      this.handoffs.done(peer, handoffId)
    },
  }
}

function storeLink(raylet: RayletLink): ConstructorParameters<typeof StoreClient>[0]['link'] {
  return {
    create: (objectId, sizeBytes, owner) => {
      const object = { objectId, sizeBytes, ...(owner === undefined ? {} : { owner }) }
      return raylet.request('storeCreate', object)
    },
    seal: (objectId) => raylet.request('storeSeal', { objectId }),
    pin: (objectId) => raylet.request('storePin', { objectId }),
    abort: (objectId) => {
      raylet.notify('storeAbort', { objectId })
    },
    unpin: (objectId, count) => {
      raylet.notify('storeUnpin', { objectId, count })
    },
  }
}
