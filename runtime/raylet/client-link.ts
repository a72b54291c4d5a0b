// One connection of a client: says hello, turns its messages into events, checks who may say what.
// Store messages do not concern the brain and go to the store straight away.
import { within, type Clock } from '../common/clock.ts'
import { ProtocolError, StoppedError, UnsupportedMessageError } from '../common/errors.ts'
import type { ObjectId, WorkerId } from '../common/ids.ts'
import { Channel } from '../protocol/channel.ts'
import type { Connection } from '../protocol/connection.ts'
import {
  PROTOCOL_VERSION,
  type ClientCalls,
  type ClientNotices,
  type Hello,
  type RayletCalls,
  type RayletNotices,
  type Welcome,
} from '../protocol/messages.ts'
import type { FunctionProgress } from '../protocol/task-events.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import type { ClusterLineage } from './cluster/cluster-lineage.ts'
import { checkMessage } from './message-schema.ts'
import type { RayletEvent } from './turn.ts'

/** An event without its time. */
export type Stimulus = RayletEvent extends infer E
  ? E extends E
    ? Omit<E, 'nowMs'>
    : never
  : never

/** What a link needs of its raylet. */
export interface LinkHost {
  readonly clock: Clock
  readonly codec: ValueCodec
  /** Open by the time a client was welcomed. */
  readonly store: () => ObjectStore
  /** Of an object of this node, or of another one. @param hints  nodes that may hold it. */
  pin(client: WorkerId, objectId: string, hints?: readonly string[]): ReturnType<ObjectStore['pin']>
  /** It waits for that pin no more. */
  unwant(client: WorkerId, objectId: string): void
  /** @param at  RayletNotices.storeFree */
  free(objectIds: readonly string[], at: string | undefined): void
  /** The same, of copies that are made again. */
  drop(objectIds: readonly string[]): void
  /** A process of this node is to make this object, once this resolves; undefined: at once. */
  making(objectId: string): Promise<void> | undefined
  /** It is about to be sealed. */
  sealing(objectId: string): void
  locate(sought: RayletCalls['locateObjects'][0]): unknown
  /** RayletCalls.handOn */
  handOn(objectIds: readonly ObjectId[]): Promise<RayletCalls['handOn'][1]>
  /** Registers the client, or throws when it is refused. */
  welcome(link: ClientLink, hello: Hello): Promise<Welcome>
  tell(stimulus: Stimulus): void
  /** Ask the brain: resolves when it answers the request number. */
  ask(stimulus: (request: number) => Stimulus): Promise<unknown>
  closed(link: ClientLink): void
  taskEvents(message: RayletNotices['taskEvents']): void
  progress(client: WorkerId, functions: readonly FunctionProgress[]): void
  /** Resolves when the raylet stops. */
  awaitStop(client: WorkerId): Promise<RayletCalls['awaitStop'][1]>
  query(
    message: RayletCalls['state'][0],
  ): RayletCalls['state'][1] | Promise<RayletCalls['state'][1]>
  /** Absent: the cluster is this node alone, and keeps no lineage. */
  readonly lineage: ClusterLineage | undefined
  /** Resolves when all that its workers printed so far has been forwarded to this driver. */
  drainOutput(client: WorkerId): Promise<void>
  stop(): void
}

/** What is asked by other nodes must be answered within as much (ALL_LIMIT_MS). */
const ANSWER_LIMIT_MS = 1_000

/** Unsent output above this is not forwarded to the driver but dropped and counted. */
const FORWARD_BUFFER_BYTES_MAX = 4 * 1024 * 1024

export class ClientLink {
  /** Of the process behind it, once it has said hello. */
  pid = 0
  readonly #host: LinkHost
  readonly #channel: Channel<ClientCalls, ClientNotices>
  #client: WorkerId | undefined

  constructor(connection: Connection, host: LinkHost) {
    this.#host = host
    this.#channel = new Channel(connection, host)
    this.#channel.start({
      notified: (type, message) => {
        this.#notified(type as keyof RayletNotices, message)
      },
      requested: (type, message) => this.#requested(type as keyof RayletCalls, message),
      closed: () => {
        host.closed(this)
      },
    })
  }

  /** Who it is, once it said hello. */
  get client(): WorkerId | undefined {
    return this.#client
  }

  notify<K extends keyof ClientNotices>(type: K, message: ClientNotices[K]): void {
    this.#channel.notify(type, message)
  }

  /** Which of these it refers to. @throws when it does not say so in time. */
  async refersTo(objectIds: readonly string[]): Promise<string[]> {
    const answer = this.#channel.request('refersTo', { objectIds })
    const isInTime = await within(this.#host.clock, ANSWER_LIMIT_MS, answer)
    const said = isInTime ? await answer : undefined
    if (said === undefined) throw new StoppedError('a process does not say to what it refers')
    return [...said.objectIds]
  }

  /** Whether more output may be sent: the client reads what it gets. */
  get takesOutput(): boolean {
    return !this.#channel.closed && this.#channel.bufferedBytes < FORWARD_BUFFER_BYTES_MAX
  }

  flush(): void {
    this.#channel.flush()
  }

  close(): void {
    this.#channel.close()
  }

  #requested(type: keyof RayletCalls, message: object): unknown {
    // Another version is to hear that it is one, not which field of its hello is unknown here.
    if (type === 'hello') checkHello(message)
    checkMessage('call', type, message)
    if (type === 'hello') return this.#hello(message as Hello)
    const client = this.#known()
    switch (type) {
      case 'storeCreate':
      case 'storeSeal':
      case 'storePin':
        return this.#store(client, type, message)
      case 'storeDrop':
        this.#host.drop((message as RayletCalls['storeDrop'][0]).objectIds)
        return undefined
      case 'handOn':
        return this.#host.handOn((message as RayletCalls['handOn'][0]).objectIds)
      case 'locateObjects':
        return this.#host.locate(message as RayletCalls['locateObjects'][0])
      case 'state':
        return this.#host.query(message as RayletCalls['state'][0])
      case 'drainOutput':
        return this.#host.drainOutput(client)
      case 'stop':
        this.#host.stop()
        return undefined
      case 'awaitStop':
        return this.#host.awaitStop(client)
      case 'commitSpecs':
      case 'readSpec':
      case 'adoptOwner':
      case 'findObject':
      case 'keepObject':
        return this.#lineage.asked(client, type, message)
      default:
        return this.#host.ask((request) => requestStimulus(client, request, type, message))
    }
  }

  get #lineage(): ClusterLineage {
    const { lineage } = this.#host
    if (lineage !== undefined) return lineage
    throw new UnsupportedMessageError('this cluster is one node, and keeps no lineage')
  }

  async #hello(hello: Hello): Promise<Welcome> {
    if (this.#client !== undefined) throw new ProtocolError('hello was said twice')
    this.#client = hello.workerId
    this.pid = hello.pid
    try {
      return await this.#host.welcome(this, hello)
    } catch (error) {
      this.#host.closed(this) // what was registered of it before it failed
      this.#client = undefined
      throw error
    }
  }

  #known(): WorkerId {
    if (this.#client === undefined) throw new ProtocolError('a message came before hello')
    return this.#client
  }

  #store(
    client: WorkerId,
    type: 'storeCreate' | 'storeSeal' | 'storePin',
    message: object,
  ): unknown {
    const store = this.#host.store()
    const { objectId, sizeBytes, owner } = message as RayletCalls['storeCreate'][0]
    if (type === 'storeCreate') {
      const options = owner === undefined ? {} : { owner }
      const create = (): unknown => store.create(client, objectId, sizeBytes, options)
      return this.#host.making(objectId)?.then(create) ?? create()
    }
    if (type === 'storePin') {
      const { nodeId } = message as RayletCalls['storePin'][0]
      return this.#host.pin(client, objectId, nodeId === undefined ? undefined : [nodeId])
    }
    this.#host.sealing(objectId)
    return store.seal(objectId)
  }

  #notified(type: keyof RayletNotices, message: object): void {
    const client = this.#known()
    checkMessage('notice', type, message)
    switch (type) {
      case 'storeAbort':
        this.#host.store().abort((message as RayletNotices['storeAbort']).objectId)
        return
      case 'storeUnwant':
        this.#host.unwant(client, (message as RayletNotices['storeUnwant']).objectId)
        return
      case 'storeUnpin': {
        const { objectId, count } = message as RayletNotices['storeUnpin']
        this.#host.store().unpin(client, objectId, count)
        return
      }
      case 'storeDamaged':
        this.#host.store().damaged((message as RayletNotices['storeDamaged']).objectId)
        return
      case 'storeFree': {
        const { objectIds, at } = message as RayletNotices['storeFree']
        this.#host.free(objectIds, at)
        return
      }
      case 'taskEvents':
        this.#host.taskEvents(message as RayletNotices['taskEvents'])
        return
      case 'progress':
        this.#host.progress(client, (message as RayletNotices['progress']).functions)
        return
      case 'dropSpecs':
        this.#lineage.dropped(client, message as RayletNotices['dropSpecs'])
        return
      default:
        this.#host.tell(noticeStimulus(client, type, message))
    }
  }
}

function checkHello(hello: Partial<Hello>): void {
  const { magic, protocolMin, protocolMax } = hello
  const isOurs = magic === 'virga'
  if (!isOurs || typeof protocolMin !== 'number' || typeof protocolMax !== 'number') {
    throw new ProtocolError('who connected does not speak Virga')
  }
  if (protocolMin > PROTOCOL_VERSION || protocolMax < PROTOCOL_VERSION) {
    const theirs = `${String(protocolMin)} to ${String(protocolMax)}`
    throw new ProtocolError(
      `no protocol version in common: this cluster speaks ${String(PROTOCOL_VERSION)}, ` +
        `the other side ${theirs}. Use the same version of virga on both sides.`,
      { data: { ours: PROTOCOL_VERSION, theirs } },
    )
  }
}

type BrainCall = Exclude<
  keyof RayletCalls,
  | 'hello'
  | 'state'
  | 'drainOutput'
  | 'stop'
  | 'awaitStop'
  | 'storeCreate'
  | 'storeSeal'
  | 'storeDrop'
  | 'storePin'
  | 'commitSpecs'
  | 'readSpec'
  | 'adoptOwner'
  | 'findObject'
  | 'locateObjects'
  | 'keepObject'
  | 'handOn'
>

function requestStimulus(
  client: WorkerId,
  request: number,
  type: BrainCall,
  message: object,
): Stimulus {
  switch (type) {
    case 'createActor':
    case 'createGroup':
      return { kind: type, client, request, spec: message } as Stimulus
    case 'findActor':
    case 'watchActor':
    case 'killActor':
    case 'awaitGroup':
    case 'removeGroup':
      return { ...message, kind: type, client, request } as unknown as Stimulus
    default:
      throw unknownType(type)
  }
}

type BrainNotice = Exclude<
  keyof RayletNotices,
  | 'storeAbort'
  | 'storeUnpin'
  | 'storeUnwant'
  | 'storeDamaged'
  | 'storeFree'
  | 'taskEvents'
  | 'progress'
  | 'dropSpecs'
>

function noticeStimulus(client: WorkerId, type: BrainNotice, message: object): Stimulus {
  switch (type) {
    case 'returnLease': {
      const { leaseId, retire = false } = message as RayletNotices['returnLease']
      return { kind: type, client, leaseId, retire }
    }
    case 'wantLeases': {
      const { classId, count, spec } = message as RayletNotices['wantLeases']
      return { kind: type, client, classId, count, spec }
    }
    case 'blocked':
    case 'actorExiting':
    case 'entryFirst':
    case 'staying':
    case 'owning':
    case 'killLease':
    case 'actorHandlesGone':
    case 'actorReady':
    case 'actorFailed':
    case 'unblocked':
    case 'takeTokens':
    case 'returnTokens':
      return { ...ABSENT, ...message, kind: type, client } as unknown as Stimulus
    default:
      throw unknownType(type)
  }
}

/** Fields that may be left out on the wire. */
const ABSENT = {
  actorId: undefined,
  error: undefined,
  limit: undefined,
  concurrency: undefined,
  perSecond: undefined,
}

const unknownType = (type: never): UnsupportedMessageError =>
  new UnsupportedMessageError(`no message '${String(type)}' is known here`, {
    data: { type: String(type) },
  })
