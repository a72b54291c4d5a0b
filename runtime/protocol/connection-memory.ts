// Connections inside one process: inline mode, unit tests, simulation.
// Frames are delivered one turn later, in order, like a socket would; buffers change hands.
import type { Clock } from '../common/clock.ts'
import {
  FRAME_HEADER_BYTES,
  type Connection,
  type ConnectionEvents,
  type Listener,
  type Transport,
} from './connection.ts'

/** Told +1 when a connection begins to keep the process alive, -1 when it ends to. */
export type KeepAlive = (by: 1 | -1) => void

class MemoryConnection implements Connection {
  readonly #clock: Clock
  readonly #keepAlive: KeepAlive
  #keeps = false
  #peer: MemoryConnection | undefined
  #events: ConnectionEvents | undefined
  #inbox: Buffer[] = []
  #scheduled = false
  #closed = false
  bufferedBytes = 0

  constructor(clock: Clock, keepAlive: KeepAlive) {
    this.#clock = clock
    this.#keepAlive = keepAlive
  }

  static pair(clock: Clock, keepAlive: KeepAlive): [MemoryConnection, MemoryConnection] {
    const a = new MemoryConnection(clock, keepAlive)
    const b = new MemoryConnection(clock, keepAlive)
    a.#peer = b
    b.#peer = a
    return [a, b]
  }

  send(frame: Buffer): void {
    if (this.#closed || this.#peer === undefined) return
    this.bufferedBytes += frame.length
    this.#peer.#inbox.push(frame.subarray(FRAME_HEADER_BYTES))
    this.#peer.#schedule()
  }

  sendWith(frame: Buffer, rest: Buffer): void {
    this.send(Buffer.concat([frame, rest]))
  }

  start(events: ConnectionEvents): void {
    this.#events = events
    this.#schedule()
  }

  close(): void {
    if (this.#closed) return
    this.unref()
    this.#closed = true
    const peer = this.#peer
    this.#clock.immediate(() => {
      this.#events?.onClose()
      if (peer === undefined) return
      peer.#deliver()
      peer.#closeByPeer()
    })
  }

  ref(): void {
    if (this.#keeps || this.#closed) return
    this.#keeps = true
    this.#keepAlive(1)
  }

  unref(): void {
    if (!this.#keeps) return
    this.#keeps = false
    this.#keepAlive(-1)
  }

  #closeByPeer(): void {
    if (this.#closed) return
    this.unref()
    this.#closed = true
    this.#events?.onClose()
  }

  /** The peer has read all but `left` frames. */
  #drained(left: number): void {
    if (this.bufferedBytes === 0 || left > 0) return
    this.bufferedBytes = 0
    if (!this.#closed) this.#events?.onDrain?.()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.immediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#events === undefined) return
    const frames = this.#inbox
    this.#inbox = []
    for (const frame of frames) if (!this.#closed) this.#events.onFrame(frame)
    if (this.#peer !== undefined) this.#peer.#drained(this.#inbox.length)
  }
}

/**
 * A network of its own: addresses are seen by connections of the same transport only.
 * @param keepAlive  no handle of the system keeps the process alive here; default: nothing does.
 */
export function memoryTransport(clock: Clock, keepAlive: KeepAlive = () => undefined): Transport {
  const listeners = new Map<string, (connection: Connection) => void>()
  return {
    listen(address, onConnection): Promise<Listener> {
      if (listeners.has(address)) return Promise.reject(new Error(`${address} is taken`))
      listeners.set(address, onConnection)
      return Promise.resolve({
        address,
        close: () => {
          listeners.delete(address)
          return Promise.resolve()
        },
      })
    },
    connect(address): Promise<Connection> {
      const onConnection = listeners.get(address)
      if (onConnection === undefined)
        return Promise.reject(new Error(`nothing listens at ${address}`))
      const [near, far] = MemoryConnection.pair(clock, keepAlive)
      onConnection(far)
      return Promise.resolve(near)
    },
  }
}
