// Connections to the raylets of other nodes: dialled at first need, or accepted.
// Invariants:
//   PY1. A node has one connection that was dialled here, whatever is asked of it at once; it is
//        dialled again by whoever needs it after it closed.
//   PY2. Every request ends: by its answer, by the close of the connection, or by its limit.
//   PY3. Once `close` or `forget` was called, nothing of that connection is handled any more; one
//        that is being dialled then is closed when it comes. What `forget` ends counts as closed at
//        once: its end may be slow to close it, and must not be taken for that of its next epoch.
import type { Clock } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { BulkConnection } from '../../protocol/bulk.ts'
import { Channel } from '../../protocol/channel.ts'
import type { Listener } from '../../protocol/connection.ts'
import { nodeAddressOf, type NodeIdentity } from '../../protocol/node-identity.ts'
import type { PeerConnection, PeerTransport } from '../../protocol/peer-transport.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import {
  checkPeerMessage,
  type PeerLink,
  type PeerMessage,
  type PeerRayletCalls,
  type PeerRayletNotices,
} from './peer-raylet-messages.ts'

type PeerChannel = Channel<PeerRayletCalls, PeerRayletNotices>

interface Dialled {
  readonly made: Promise<PeerChannel>
  /** It has closed, or could not be made. */
  readonly lost: () => void
}

interface OpenChannel {
  /** At the other end. */
  readonly peer: NodeIdentity
  readonly isDialled: boolean
  readonly closed: () => void
}

/** Where a node listens, as its row says. */
export interface PeerNode {
  readonly nodeId: string
  /** HOST:PORT/NODE/EPOCH */
  readonly address: string
}

export interface PeerRayletsDeps {
  readonly transport: PeerTransport
  readonly clock: Clock
  readonly codec: ValueCodec
}

/** What others ask of this raylet. */
export interface PeerRayletHandlers {
  requested(message: PeerMessage): unknown
  notified(message: PeerMessage): void
  /** The connection dialled to that node has closed, or could not be made. */
  lost(nodeId: string): void
  /** Why a node could not be dialled. */
  undialled(error: unknown): void
  /** A connection that others dialled has closed. */
  linkClosed(link: number): void
  /** Another node dialled, to read objects. */
  bulk(connection: BulkConnection): void
}

export class PeerRaylets {
  readonly #deps: PeerRayletsDeps
  readonly #handlers: PeerRayletHandlers
  /** By address. At most one for each living node. */
  readonly #dialled = new Map<string, Dialled>()
  /** Dialled and accepted ones. */
  readonly #open = new Map<PeerChannel, OpenChannel>()
  #listener: Listener | undefined
  #nextLink = 1
  #closed = false

  constructor(deps: PeerRayletsDeps, handlers: PeerRayletHandlers) {
    this.#deps = deps
    this.#handlers = handlers
  }

  /**
   * @param at  HOST:PORT; port 0 takes a free one.
   * @returns the address by which other nodes reach this one.
   */
  async listen(at: string): Promise<string> {
    this.#listener = await this.#deps.transport.listen(
      at,
      (connection) => {
        if (this.#closed) connection.close()
        else this.#attach(connection)
      },
      (connection) => {
        if (this.#closed) connection.close()
        else this.#handlers.bulk(connection)
      },
    )
    return this.#listener.address
  }

  /** PY2. @throws what the other answered, or why it could not be asked. */
  ask<K extends keyof PeerRayletCalls>(
    node: PeerNode,
    type: K,
    message: PeerRayletCalls[K][0],
    limitMs: number,
  ): Promise<PeerRayletCalls[K][1]> {
    return new Promise((resolve, reject) => {
      const timer = this.#deps.clock.after(limitMs, () => {
        reject(new VirgaError(`node ${node.nodeId} did not answer ${type} within ${limitMs} ms`))
      })
      this.#channelTo(node)
        .then((channel) => channel.request(type, message))
        .then(resolve, reject)
        .finally(() => {
          timer.cancel()
        })
    })
  }

  /** May be lost. */
  notify<K extends keyof PeerRayletNotices>(
    node: PeerNode,
    type: K,
    message: PeerRayletNotices[K],
  ): void {
    this.#channelTo(node).then(
      (channel) => {
        channel.notify(type, message)
      },
      () => undefined, // whoever must know that it is away pings it
    )
  }

  /** Unsent, on the connection that was dialled here. */
  bufferedBytesTo(nodeId: string): number {
    for (const [channel, { peer, isDialled }] of this.#open) {
      if (isDialled && peer.nodeId === nodeId) return channel.bufferedBytes
    }
    return 0
  }

  /** That epoch of the node is no member any more (PY3). */
  forget({ nodeId, address }: PeerNode): void {
    const { epoch } = nodeAddressOf(address)
    this.forgetBefore(nodeId, epoch + 1)
    this.#dialled.get(address)?.lost()
  }

  /** Nor are earlier ones, which may have dialled here before they were known as members (PY3). */
  forgetBefore(nodeId: string, oldestEpoch: number): void {
    for (const [channel, { peer, closed }] of [...this.#open]) {
      if (peer.nodeId !== nodeId || peer.epoch >= oldestEpoch) continue
      channel.close()
      closed()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const channel of this.#open.keys()) channel.close()
    this.#dialled.clear()
    await this.#listener?.close()
  }

  /** PY1. */
  #channelTo({ nodeId, address }: PeerNode): Promise<PeerChannel> {
    if (this.#closed) return Promise.reject(new VirgaError(`this node has left node ${nodeId}`))
    const known = this.#dialled.get(address)
    if (known !== undefined) return known.made
    const isCurrent = (): boolean => this.#dialled.get(address) === dialled
    const lost = (): void => {
      if (!isCurrent()) return
      this.#dialled.delete(address)
      if (!this.#closed) this.#handlers.lost(nodeId)
    }
    const made = this.#deps.transport.connect(address).then((connection) => {
      if (isCurrent()) return this.#attach(connection, lost)
      connection.close() // PY3
      throw new VirgaError(`node ${nodeId} was left while it was dialled`)
    })
    const dialled: Dialled = { made, lost }
    made.catch((error: unknown) => {
      lost()
      if (!this.#closed) this.#handlers.undialled(error)
    })
    this.#dialled.set(address, dialled)
    return made
  }

  /** @param lost  told of the close of one that was dialled here. */
  #attach(connection: PeerConnection, lost?: () => void): PeerChannel {
    const channel: PeerChannel = new Channel(connection, this.#deps)
    const from = connection.peer.nodeId
    const link = linkOf(this.#nextLink++, channel)
    const closed = (): void => {
      if (!this.#open.delete(channel)) return
      if (lost !== undefined) lost()
      else if (!this.#closed) this.#handlers.linkClosed(link.id)
    }
    this.#open.set(channel, { peer: connection.peer, isDialled: lost !== undefined, closed })
    channel.start({
      requested: (type, message) => {
        if (!this.#open.has(channel)) throw new VirgaError('this node has forgotten who asks')
        checkPeerMessage('call', { from, type, message })
        return this.#handlers.requested({ from, type, message, link })
      },
      notified: (type, message) => {
        checkPeerMessage('notice', { from, type, message })
        if (!this.#closed && this.#open.has(channel))
          this.#handlers.notified({ from, type, message, link })
      },
      closed,
    })
    return channel
  }
}

function linkOf(id: number, channel: PeerChannel): PeerLink {
  return {
    id,
    notify: (type, message) => {
      channel.notify(type, message)
    },
  }
}
