// Connections over Unix sockets: between the processes of one machine.
import { VirgaError } from '../common/errors.ts'
import { createConnection, createServer, type Socket } from 'node:net'
import type { Connection, ConnectionEvents, Listener, Transport } from './connection.ts'
import { FrameSplitter, sealFrame } from './framing.ts'

/** A peer that does not close in turn is stuck: it is not waited for any longer. */
const CLOSE_LIMIT_MS = 1000

class SocketConnection implements Connection {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.unref()
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  send(frame: Buffer): void {
    if (!this.#socket.writable) return
    this.#socket.write(sealFrame(frame))
  }

  start(events: ConnectionEvents): void {
    const splitter = new FrameSplitter((body) => {
      if (!this.#socket.destroyed) events.onFrame(body)
    })
    let cause: Error | undefined
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        splitter.push(chunk)
      } catch (error) {
        if (!(error instanceof VirgaError)) throw error // a bug of ours ends the process, loudly
        cause = error
        this.#socket.destroy()
      }
    })
    this.#socket.on('drain', () => {
      events.onDrain?.()
    })
    this.#socket.on('error', (error) => {
      cause ??= error
    })
    this.#socket.on('end', () => {
      this.#socket.destroy()
    })
    this.#socket.on('close', () => {
      events.onClose(cause)
    })
  }

  /**
   * Half-closes: the peer reads all that was sent, then closes in turn. Closing at once would make
   * a write of the peer fail, and with it what it has not read yet would be lost.
   */
  close(): void {
    this.#socket.end()
    setTimeout(() => {
      this.#socket.destroy()
    }, CLOSE_LIMIT_MS).unref()
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }
}

export const udsTransport: Transport = {
  listen(path: string, onConnection: (connection: Connection) => void): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        onConnection(new SocketConnection(socket))
      })
      server.unref()
      server.once('error', reject)
      server.listen(path, () => {
        resolve({
          address: path,
          close: () =>
            new Promise((closed) => {
              server.close(() => {
                closed()
              })
              for (const socket of sockets) socket.destroy()
            }),
        })
      })
    })
  },

  connect(path: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new SocketConnection(socket))
      })
    })
  },
}
