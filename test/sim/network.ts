// The network and the local sockets of a simulated run: the Transport port with latency, and stalls
// per pair of processes. A connection never loses or reorders, as streams do not: what was sent
// arrives in order, if late. Connections overtake each other.
//   N-invariants of connection.ts: frames whole and in order (N1), onClose once per side (N2).
import { crc32 } from 'node:zlib'
import {
  FRAME_HEADER_BYTES,
  type Connection,
  type ConnectionEvents,
  type Transport,
} from '../../runtime/protocol/connection.ts'
import type { Draw } from './draw.ts'
import type { Probes } from './probes.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import { showFrame } from './story.ts'

export interface LinkQuality {
  /** One way, without any trouble. */
  readonly latencyMs: number
  /** Exponential, on top. */
  readonly jitterMs: number
  /** Share of frames that take up to spikeMs more. */
  spikeChance: number
  readonly spikeMs: number
}

class End implements Connection {
  readonly process: SimProcess
  readonly label: string
  peer: End | undefined
  inFlightBytes = 0
  readonly #network: SimNetwork
  #events: ConnectionEvents | undefined
  #inbox: (() => void)[] = []
  /** When the last of what is under way to this end arrives. */
  #lastAtMs = 0
  #closed = false
  #told = false

  constructor(network: SimNetwork, process: SimProcess, label: string) {
    this.#network = network
    this.process = process
    this.label = label
  }

  get bufferedBytes(): number {
    return this.peer?.inFlightBytes ?? 0
  }

  send(frame: Buffer): void {
    if (this.#closed || this.peer === undefined || !this.process.alive) return
    this.peer.#arrive(frame.subarray(FRAME_HEADER_BYTES), this.process)
  }

  start(events: ConnectionEvents): void {
    this.#events = events
    const inbox = this.#inbox
    this.#inbox = []
    if (inbox.length === 0) return
    this.process.later(0, 'first frames', () => {
      for (const deliver of inbox) deliver()
    })
  }

  /** Half-closes: the other side reads to the end, then closes in turn; until then we read. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.peer?.finish(this.process)
  }

  /** Nothing keeps a simulated process alive but the simulation. */
  ref(): void {
    return undefined
  }

  unref(): void {
    return undefined
  }

  /** The process at this end is gone: what the kernel had taken is still delivered. */
  processEnded(): void {
    if (this.#told) return
    this.#closed = true
    this.#told = true
    this.peer?.finish(this.process)
  }

  #arrive(body: Buffer, from: SimProcess): void {
    const atMs = this.#arrival(from)
    this.inFlightBytes += body.byteLength
    const deliver = (): void => {
      this.inFlightBytes -= body.byteLength
      if (!this.#told) this.#events?.onFrame(body)
    }
    const label = `frame ${this.label} ${String(crc32(body))}`
    this.process.later(atMs - this.process.nowMs, label, this.#onceStarted(deliver), () =>
      showFrame(body),
    )
  }

  /** The other side says that nothing more comes. */
  finish(from: SimProcess): void {
    const end = (): void => {
      if (this.#told) return
      this.close()
      this.#told = true
      this.#events?.onClose()
    }
    const inMs = this.#arrival(from) - this.process.nowMs
    this.process.later(inMs, `end of ${this.label}`, this.#onceStarted(end))
  }

  #arrival(from: SimProcess): number {
    const network = this.#network
    const heldMs = network.heldUntilMs(from, this.process)
    this.#lastAtMs = Math.max(this.#lastAtMs, from.nowMs + network.latency(), heldMs)
    return this.#lastAtMs
  }

  #onceStarted(run: () => void): () => void {
    return () => {
      if (this.#events === undefined) this.#inbox.push(run)
      else run()
    }
  }
}

interface Listening {
  readonly process: SimProcess
  readonly onConnection: (connection: Connection) => void
}

export class SimNetwork {
  /** Every address that was dialled, in order. */
  readonly dialled: string[] = []
  readonly quality: LinkQuality
  readonly #scheduler: Scheduler
  readonly #draw: Draw
  readonly #probes: Probes
  readonly #listening = new Map<string, Listening>()
  readonly #ends = new Map<SimProcess, Set<End>>()
  readonly #held = new Map<string, number>()

  constructor(parts: {
    readonly scheduler: Scheduler
    readonly draw: Draw
    readonly probes: Probes
    readonly quality: LinkQuality
  }) {
    this.#scheduler = parts.scheduler
    this.#draw = parts.draw
    this.#probes = parts.probes
    this.quality = parts.quality
  }

  latency(): number {
    const { latencyMs, jitterMs, spikeChance, spikeMs } = this.quality
    const jitter = -Math.log(1 - this.#draw.next()) * jitterMs
    const spikes = spikeChance > 0 && this.#draw.chance(spikeChance)
    if (spikes) this.#probes.hit('a frame is late')
    return latencyMs + jitter + (spikes ? this.#draw.between(0, spikeMs) : 0)
  }

  /** Nothing passes between the two until then; it is late, not lost. */
  hold(a: SimProcess, b: SimProcess, forMs: number): void {
    this.#held.set(pairOf(a, b), this.#scheduler.nowMs + forMs)
  }

  heldUntilMs(a: SimProcess, b: SimProcess): number {
    return this.#held.get(pairOf(a, b)) ?? 0
  }

  transport(process: SimProcess): Transport {
    return {
      listen: (address, onConnection) => this.#listen(process, address, onConnection),
      connect: (address) => this.#connect(process, address),
    }
  }

  #listen(
    process: SimProcess,
    address: string,
    onConnection: (connection: Connection) => void,
  ): ReturnType<Transport['listen']> {
    if (this.#listening.has(address)) return Promise.reject(new Error(`${address} is taken`))
    this.#listening.set(address, { process, onConnection })
    process.whenEnded(() => {
      this.#listening.delete(address)
    })
    const close = (): Promise<void> => {
      this.#listening.delete(address)
      for (const end of this.#endsOf(process)) if (end.label.startsWith(`${address}<`)) end.close()
      return Promise.resolve()
    }
    return Promise.resolve({ address, close })
  }

  #connect(process: SimProcess, address: string): Promise<Connection> {
    this.dialled.push(address)
    return new Promise((resolve, reject) => {
      process.later(this.latency(), `connects to ${address}`, () => {
        const listening = this.#listening.get(address)
        if (listening === undefined) {
          reject(new Error(`nothing listens at ${address}`))
          return
        }
        const near = this.#end(process, `${address}>`)
        const far = this.#end(listening.process, `${address}<${process.name}`)
        near.peer = far
        far.peer = near
        listening.process.later(0, `accepts ${process.name}`, () => {
          listening.onConnection(far)
        })
        resolve(near)
      })
    })
  }

  #end(process: SimProcess, label: string): End {
    const end = new End(this, process, label)
    this.#endsOf(process).add(end)
    return end
  }

  #endsOf(process: SimProcess): Set<End> {
    let ends = this.#ends.get(process)
    if (ends === undefined) {
      ends = new Set()
      this.#ends.set(process, ends)
      process.whenEnded(() => {
        for (const end of this.#ends.get(process) ?? []) end.processEnded()
        this.#ends.delete(process)
      })
    }
    return ends
  }
}

const pairOf = (a: SimProcess, b: SimProcess): string => [a.name, b.name].sort().join(' ')
