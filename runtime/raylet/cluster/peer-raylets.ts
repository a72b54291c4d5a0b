// Connections to the raylets of other nodes: dialled at first need, or accepted.
// Invariants:
//   PY1. A node has one connection that was dialled here, whatever is asked of it at once; it is
//        dialled again by whoever needs it after it closed.
//   PY2. Every request ends: by its answer, by the close of the connection, or by its limit.
//   PY3. Once `close` or `forget` was called, nothing of that connection is handled any more; one
//        that is being dialled then is closed when it comes.
import type { Clock } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { BulkConnection } from '../../protocol/bulk.ts'
import { Channel } from '../../protocol/channel.ts'
import type { Listener } from '../../protocol/connection.ts'
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
  /** A connection that others dialled has closed. */
  linkClosed(link: number): void
  /** Another node dialled, to read objects. */
  bulk(connection: BulkConnection): void
}

export class PeerRaylets {
  readonly #deps: PeerRayletsDeps
  readonly #handlers: PeerRayletHandlers
  /** By address. At most one for each living node. */
  readonly #dialled = new Map<string, Promise<PeerChannel>>()
  /** Open ones, dialled and accepted, with the node at the other end. */
  readonly #open = new Map<PeerChannel, { readonly at: string; readonly isDialled: boolean }>()
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
    for (const [channel, { at, isDialled }] of this.#open) {
      if (isDialled && at === nodeId) return channel.bufferedBytes
    }
    return 0
  }

  /** That epoch of the node is no member any more. */
  forget({ nodeId, address }: PeerNode): void {
    this.#dialled.delete(address)
    for (const [channel, { at }] of this.#open) if (at === nodeId) channel.close()
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
    if (known !== undefined) return known
    const lost = (): void => {
      if (this.#dialled.get(address) === made) this.#dialled.delete(address)
      if (!this.#closed) this.#handlers.lost(nodeId)
    }
    const made = this.#deps.transport.connect(address).then((connection) => {
      if (this.#dialled.get(address) === made) return this.#attach(connection, lost)
      connection.close() // PY3
      throw new VirgaError(`node ${nodeId} was left while it was dialled`)
    })
    made.catch(lost)
    this.#dialled.set(address, made)
    return made
  }

  /** @param lost  told of the close of one that was dialled here. */
  #attach(connection: PeerConnection, lost?: () => void): PeerChannel {
    const channel: PeerChannel = new Channel(connection, this.#deps)
    const from = connection.peer.nodeId
    const link = linkOf(this.#nextLink++, channel)
    this.#open.set(channel, { at: from, isDialled: lost !== undefined })
    channel.start({
      requested: (type, message) => {
        checkPeerMessage('call', { from, type, message })
        return this.#handlers.requested({ from, type, message, link })
      },
      notified: (type, message) => {
        checkPeerMessage('notice', { from, type, message })
        if (!this.#closed) this.#handlers.notified({ from, type, message, link })
      },
      closed: () => {
        this.#open.delete(channel)
        if (lost !== undefined) lost()
        else if (!this.#closed) this.#handlers.linkClosed(link.id)
      },
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
