// Frames over a stream socket of the system: what Unix sockets and TCP have in common.
import type { ListenOptions, Server, Socket } from 'node:net'
import { VirgaError } from '../common/errors.ts'
import type { Connection, ConnectionEvents } from './connection.ts'
import { FrameSplitter, sealFrame } from './framing.ts'

/** A peer that neither reads on nor closes in turn is stuck: it is not waited for any longer. */
const CLOSE_LIMIT_MS = 1000

export class SocketConnection implements Connection {
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

  sendWith(frame: Buffer, rest: Buffer): void {
    if (!this.#socket.writable) return
    this.#socket.cork()
    this.#socket.write(sealFrame(frame, rest))
    this.#socket.write(rest)
    this.#socket.uncork()
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
    this.#socket.resume() // a greeting was read from it by hand, maybe
  }

  /**
   * Half-closes: the peer reads all that was sent, then closes in turn. Closing at once would make
   * a write of the peer fail, and with it what it has not read yet would be lost.
   */
  close(): void {
    this.#socket.end()
    this.#giveUpWhenStuck(this.#socket.writableLength)
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  #giveUpWhenStuck(leftBytes: number): void {
    setTimeout(() => {
      const { writableLength, destroyed } = this.#socket
      if (destroyed) return
      if (writableLength < leftBytes) this.#giveUpWhenStuck(writableLength)
      else this.#socket.destroy()
    }, CLOSE_LIMIT_MS).unref()
  }
}

export interface Listening<S extends Server> {
  readonly server: S
  readonly at: ListenOptions
  /** Told why an incoming connection came to nothing, as when accept() fails. */
  readonly refused: (error: Error) => void
}

/** Listens without keeping the process alive. @returns how to end that, with all connections. */
export function listening<S extends Server>(how: Listening<S>): Promise<() => Promise<void>> {
  const { server, at, refused } = how
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at, () => {
      server.off('error', reject)
      server.on('error', refused)
      resolve(
        () =>
          new Promise((closed) => {
            server.close(() => {
              closed()
            })
            for (const socket of sockets) socket.destroy()
          }),
      )
    })
  })
}
