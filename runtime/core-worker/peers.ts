// Connections to other core-workers: dialled on first need, or accepted; one per process in use.
//   PE1. Work sent before a dial ends leaves in order once it is connected.
//   PE2. When a peer closes, everything in flight to it is told exactly once (onClosed).
//   PE3. At most SEND_BUFFER_BYTES_MAX and one batch wait for a peer that does not read: pushes,
//        results and stream items ask `congested` first.
//   PE4. A process of a life of its node that has ended may go on, if only its raylet stands still:
//        nothing that it sends is taken from when this node knows (F08).
import type { Clock } from '../common/clock.ts'
import { NodeDiedError } from '../common/errors.ts'
import type { JobId, WorkerId } from '../common/ids.ts'
import { SEND_BUFFER_BYTES_MAX } from '../common/limits.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import { Channel } from '../protocol/channel.ts'
import type { Connection, Transport } from '../protocol/connection.ts'
import { epochIn, nodeIdIn } from '../protocol/node-identity.ts'
import { isNobodyThere } from '../protocol/peer-transport.ts'
import type { ClientNotices } from '../protocol/messages.ts'
import type { PeerCalls, PeerNotices, TaskTemplate } from '../protocol/peer-messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { brokenAs } from './cut-worker.ts'
import type { ArrivingArguments } from './decode-arguments.ts'
import { InFlight } from './in-flight.ts'
import { TemplateSlots } from './template-slots.ts'
import type { TaskRecord } from './task-record.ts'

export type PeerChannel = Channel<PeerCalls, PeerNotices>

/**
 * How a connection has ended.
 *   CLOSED     an end has closed it: its process has ended, unless it said that it goes on (CW1)
 *   RESET      it broke, as where its process was killed; or that lives behind a cut which is over
 *   CUT        it broke, as nothing came through any more (CW2)
 *   UNREACHED  it was dialled in vain
 *   NOBODY     the same, and its machine said that nobody listens
 *   OVER       the life of its node has ended (PE4)
 */
export type PeerEnd = 'CLOSED' | 'RESET' | 'CUT' | 'UNREACHED' | 'NOBODY' | 'OVER'

/** One other process: what we sent it, and what it sent us. */
export class Peer {
  readonly address: string
  channel: PeerChannel | undefined
  workerId: WorkerId | undefined
  /** As it says of itself, of one that was accepted. */
  #saidAddress = ''
  #end: PeerEnd | undefined
  /** It is about to close, and has said that its process lives. */
  goesOn = false
  /** As owner: tasks pushed and not answered, by seq, in push order. */
  readonly inFlight = new InFlight<TaskRecord>()
  /** As owner: the templates it knows. */
  readonly slots = new TemplateSlots()
  /** As executor: the owner's templates by slot. */
  readonly templates: TaskTemplate[] = []
  /** As executor: arguments of the task that it pushes next, as large as its owner made them. */
  ahead: ArrivingArguments | undefined
  /** By borrower, lease, actor and request that needs to know: each forgets its own. */
  readonly #onClosed = new Set<() => void>()
  readonly #onDrained = new Map<object, () => void>()
  /** What waits for the dial to end: pushes of at most one lease, releases, borrows. */
  #queue: ((channel: PeerChannel) => void)[] = []

  constructor(address: string) {
    this.address = address
  }

  /** Runs `use` with the channel: now, or in order once connected; never after it closed. */
  with(use: (channel: PeerChannel) => void): void {
    if (this.closed) return
    if (this.channel !== undefined && this.#queue.length === 0) use(this.channel)
    else this.#queue.push(use)
  }

  /** Where it listens. */
  get knownAddress(): string {
    return this.address || this.#saidAddress
  }

  /** Undefined: it is open, or dialled. */
  get end(): PeerEnd | undefined {
    return this.#end
  }

  get closed(): boolean {
    return this.#end !== undefined
  }

  /** It has closed, and its process may be there all the same. */
  get mayLive(): boolean {
    switch (this.#end) {
      case 'RESET':
      case 'CUT':
      case 'UNREACHED':
        return true
      case 'CLOSED':
        return this.goesOn
      default:
        return false
    }
  }

  /** In hex, where there are several. */
  get nodeId(): string | undefined {
    return nodeIdIn(this.knownAddress)
  }

  saidHello({ workerId, address }: PeerCalls['peerHello'][0]): void {
    this.workerId = workerId
    this.#saidAddress = address
  }

  /** What is sent to it still waits to be written. */
  get dialling(): boolean {
    return this.channel === undefined && !this.closed
  }

  /** It does not read as fast as it is sent to: wait with whenDrained before sending more. */
  get congested(): boolean {
    return this.channel !== undefined && this.channel.bufferedBytes > SEND_BUFFER_BYTES_MAX
  }

  /** Calls `run` once when it has read what was sent, or has closed; one `run` per `key`. */
  whenDrained(key: object, run: () => void): void {
    this.#onDrained.set(key, run)
  }

  drained(): void {
    const waiting = [...this.#onDrained.values()]
    this.#onDrained.clear()
    for (const run of waiting) run()
  }

  opened(channel: PeerChannel): void {
    this.channel = channel
    const queue = this.#queue
    this.#queue = []
    for (const use of queue) use(channel)
  }

  /** Takes what is in flight and still awaited from here: not superseded attempts, nor what has
   *  ended, which is let go when the connection closes (TaskEnds.peerClosed). */
  takeInFlight(): TaskRecord[] {
    const records: TaskRecord[] = []
    for (const [seq, record] of [...this.inFlight.entries()]) {
      if (!record.isAt(this, seq)) continue
      this.inFlight.take(seq)
      record.unheard(this.nodeId)
      records.push(record)
    }
    return records
  }

  /** Calls `listener` once when it closes; at once if it has. @returns what forgets it */
  whenClosed(listener: () => void): () => void {
    if (this.closed) listener()
    else this.#onClosed.add(listener)
    return () => {
      this.#onClosed.delete(listener)
    }
  }

  /** @param end  default: an end has closed it, where it was open. */
  close(end: PeerEnd = this.channel === undefined ? 'UNREACHED' : 'CLOSED'): void {
    if (this.closed) return
    this.#end = end
    this.#queue = []
    const listeners = [...this.#onClosed]
    this.#onClosed.clear()
    for (const listener of listeners) listener()
    this.drained()
  }
}

export interface PeerHandlers {
  push(peer: Peer, reader: ByteReader): void
  part(peer: Peer, reader: ByteReader): void
  reply(peer: Peer, reader: ByteReader): void
  notified(peer: Peer, type: string, message: object): void
  requested(peer: Peer, type: string, message: object): unknown
  closed(peer: Peer): void
}

export interface PeersDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly codec: ValueCodec
}

export interface PeersOptions {
  readonly workerId: WorkerId
  readonly address: string
  readonly jobId: JobId
}

export class Peers {
  readonly #deps: PeersDeps
  readonly #options: PeersOptions
  readonly #handlers: PeerHandlers
  /** Living processes that this one works with; gone with their connections. */
  readonly #byAddress = new Map<string, Peer>()
  /** Open connections, dialled and accepted. */
  readonly #channels = new Set<PeerChannel>()
  /** Of them, those that were accepted. */
  readonly #accepted = new Set<Peer>()
  /** The newest epoch of each node that has ended, as far as this process was told: one number for
   *  each that did while it ran, and for those that its raylet told it of at first. */
  readonly #ended = new Map<string, number>()

  constructor(deps: PeersDeps, options: PeersOptions, handlers: PeerHandlers) {
    this.#deps = deps
    this.#options = options
    this.#handlers = handlers
  }

  /** The peer at `address`, dialled if need be. Failure to connect shows as its close. */
  dial(address: string): Peer {
    const known = this.#byAddress.get(address)
    if (known !== undefined && !known.closed) return known
    const peer = new Peer(address)
    this.#byAddress.set(address, peer)
    if (this.hasEnded(address)) {
      this.#deps.clock.immediate(() => {
        this.#closed(peer, 'OVER') // PE4: what stands still there would accept, and answer later
      })
      return peer
    }
    this.#deps.transport.connect(address).then(
      (connection) => {
        const channel = this.#attach(peer, connection)
        if (peer.closed) {
          channel.close() // PE4: its life has ended meanwhile
          return
        }
        channel.request('peerHello', this.#options).then(
          (reply) => {
            peer.workerId = reply.workerId
          },
          () => {
            this.#closed(peer, 'CLOSED')
          },
        )
        peer.opened(channel)
      },
      (error: unknown) => {
        this.#closed(peer, isNobodyThere(error) ? 'NOBODY' : 'UNREACHED')
      },
    )
    return peer
  }

  accept(connection: Connection): void {
    const peer = new Peer('')
    this.#accepted.add(peer)
    peer.opened(this.#attach(peer, connection))
  }

  /** PE4. All that was asked there ends as well: a process that stands still keeps its connections. */
  livesEnded(ended: ClientNotices['livesEnded']['ended']): void {
    for (const [nodeId, epoch] of ended) this.#ended.set(nodeId, epoch)
    for (const peer of [...this.#accepted, ...this.#byAddress.values()]) this.#endIfOver(peer)
  }

  /** Whether the life of the node in that address has, as far as this process was told. */
  hasEnded(address: string): boolean {
    const [nodeId, epoch] = [nodeIdIn(address), epochIn(address)]
    if (nodeId === undefined || epoch === undefined) return false // there is one node
    return (this.#ended.get(nodeId) ?? 0) >= epoch
  }

  #endIfOver(peer: Peer): boolean {
    if (!this.hasEnded(peer.knownAddress)) return false
    this.#closed(peer, 'OVER')
    peer.channel?.close()
    return true
  }

  /** What each peer was given first and has not answered: it runs, what came after it waits. */
  *running(): Iterable<TaskRecord> {
    for (const peer of this.#byAddress.values()) {
      const seq = peer.inFlight.firstSeq()
      const first = seq === undefined ? undefined : peer.inFlight.get(seq)
      if (first !== undefined) yield first
    }
  }

  closeAll(): void {
    for (const channel of this.#channels) channel.close()
  }

  #attach(peer: Peer, connection: Connection): PeerChannel {
    const channel: PeerChannel = new Channel(connection, this.#deps)
    const handlers = this.#handlers
    this.#channels.add(channel)
    channel.start({
      push: (reader) => {
        if (peer.end !== 'OVER') handlers.push(peer, reader)
      },
      part: (reader) => {
        if (peer.end !== 'OVER') handlers.part(peer, reader)
      },
      reply: (reader) => {
        if (peer.end !== 'OVER') handlers.reply(peer, reader)
      },
      notified: (type, message) => {
        if (peer.end === 'OVER') return
        if (type === 'template') {
          const { slot, template } = message as PeerNotices['template']
          peer.templates[slot] = template
        } else handlers.notified(peer, type, message)
      },
      requested: (type, message) => {
        if (peer.end === 'OVER') throw lifeOver()
        if (type !== 'peerHello') return handlers.requested(peer, type, message)
        peer.saidHello(message as PeerCalls['peerHello'][0])
        if (this.#endIfOver(peer)) throw lifeOver()
        return { workerId: this.#options.workerId }
      },
      drained: () => {
        peer.drained()
      },
      closed: (error) => {
        this.#channels.delete(channel)
        this.#closed(peer, endOf(error))
      },
    })
    return channel
  }

  #closed(peer: Peer, end: PeerEnd): void {
    this.#accepted.delete(peer)
    if (this.#byAddress.get(peer.address) === peer) this.#byAddress.delete(peer.address)
    if (peer.closed) return
    peer.close(end)
    this.#handlers.closed(peer)
  }
}

/** @param error  with which it closed; absent where an end closed it. */
const endOf = (error: Error | undefined): PeerEnd =>
  error === undefined ? 'CLOSED' : brokenAs(error)

const lifeOver = (): NodeDiedError =>
  new NodeDiedError('that life of its node has ended: all that it did not tell before is lost')
