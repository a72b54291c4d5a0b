// A network inside one process whose ends belong to named processes: frames are counted, may be
// delayed, a connection can be cut, a process killed as by SIGKILL. Order within a connection
// holds, and what the peer's kernel had taken is still read: that is what a Unix socket promises.
import type { Clock } from '../../runtime/common/clock.ts'
import { memoryTransport } from '../../runtime/protocol/connection-memory.ts'
import type { Connection, ConnectionEvents, Transport } from '../../runtime/protocol/connection.ts'

export interface FaultyNetworkOptions {
  readonly clock: Clock
  /** Turns of the event loop before the next frame of a connection leaves. Default: none. */
  delayTurns?(end: FaultyEnd): number
  /** Turns of the event loop that a dial takes. Default: none. */
  readonly dialTurns?: number
  /** Called before each frame leaves, counted from 1 over all connections. */
  onFrame?(count: number, end: FaultyEnd): void
}

export class FaultyNetwork {
  readonly #options: FaultyNetworkOptions
  readonly #transport: Transport
  readonly #ends = new Set<FaultyEnd>()
  readonly #dead = new Set<string>()
  #frames = 0

  constructor(options: FaultyNetworkOptions) {
    this.#options = options
    this.#transport = memoryTransport(options.clock)
  }

  get frameCount(): number {
    return this.#frames
  }

  /** The network as the process `name` sees it. */
  transportOf(name: string): Transport {
    const alive = (): void => {
      if (this.#dead.has(name)) throw new Error(`${name} is dead`)
    }
    return {
      listen: (address, onConnection) =>
        this.#transport.listen(address, (connection) => {
          if (this.#dead.has(name)) connection.close()
          else onConnection(this.#end(name, connection))
        }),
      connect: async (address) => {
        alive()
        for (let i = 0; i < (this.#options.dialTurns ?? 0); i += 1) {
          await new Promise<void>((resolve) => this.#options.clock.immediate(resolve))
        }
        return this.#end(name, await this.#transport.connect(address))
      },
    }
  }

  /** The process sends and hears nothing more; its peers see its connections close. */
  kill(name: string): void {
    this.#dead.add(name)
    for (const end of this.#ends) if (end.owner === name) end.cut()
  }

  #end(owner: string, connection: Connection): FaultyEnd {
    const end = new FaultyEnd(owner, connection, {
      clock: this.#options.clock,
      delayTurns: (from) => this.#options.delayTurns?.(from) ?? 0,
      sending: (from) => {
        this.#frames += 1
        this.#options.onFrame?.(this.#frames, from)
      },
      closed: () => this.#ends.delete(end),
    })
    this.#ends.add(end)
    return end
  }
}

interface EndDeps {
  readonly clock: Clock
  delayTurns(end: FaultyEnd): number
  sending(end: FaultyEnd): void
  closed(): void
}

/** One end of a connection. */
export class FaultyEnd implements Connection {
  readonly owner: string
  readonly #inner: Connection
  readonly #deps: EndDeps
  readonly #queue: Buffer[] = []
  #sending = false
  #closing = false
  #isCut = false

  constructor(owner: string, inner: Connection, deps: EndDeps) {
    this.owner = owner
    this.#inner = inner
    this.#deps = deps
  }

  get bufferedBytes(): number {
    return this.#queue.reduce((sum, frame) => sum + frame.length, this.#inner.bufferedBytes)
  }

  start(events: ConnectionEvents): void {
    this.#inner.start({
      onFrame: (body) => {
        if (!this.#isCut) events.onFrame(body)
      },
      onDrain: () => {
        events.onDrain?.()
      },
      onClose: (error) => {
        this.#deps.closed()
        events.onClose(error)
      },
    })
  }

  send(frame: Buffer): void {
    if (this.#isCut || this.#closing) return
    this.#deps.sending(this)
    if (this.#isCut as boolean) return // `sending` may have cut it
    this.#queue.push(frame)
    this.#next()
  }

  close(): void {
    this.#closing = true
    this.#next()
  }

  /** As when the process behind it dies: what is on its way still arrives, and nothing more. */
  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    this.close()
  }

  ref(): void {
    this.#inner.ref()
  }

  unref(): void {
    this.#inner.unref()
  }

  #next(): void {
    if (this.#sending) return
    if (this.#queue.length === 0) {
      if (this.#closing) this.#inner.close()
      return
    }
    const turns = this.#deps.delayTurns(this)
    if (turns === 0) {
      this.#inner.send(this.#queue.shift() as Buffer)
      this.#next()
      return
    }
    this.#sending = true
    this.#afterTurns(turns)
  }

  #afterTurns(turns: number): void {
    if (turns > 0) {
      this.#deps.clock.immediate(() => {
        this.#afterTurns(turns - 1)
      })
      return
    }
    this.#sending = false
    const frame = this.#queue.shift()
    if (frame !== undefined) this.#inner.send(frame)
    this.#next()
  }
}
