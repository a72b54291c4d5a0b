// The network and the local sockets of a simulated run: the Transport port with latency, and stalls
// per pair of processes or of machines. A connection never loses or reorders, as streams do not:
// what was sent arrives in order, if late, unless the connection breaks. Connections overtake each
// other.
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
  /** A machine that was not heard of for so long has lost its connections (D103). Default: never. */
  readonly silenceMs?: number
}

export class End implements Connection {
  readonly process: SimProcess
  readonly label: string
  far: End | undefined
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
    return this.far?.inFlightBytes ?? 0
  }

  send(frame: Buffer): void {
    if (this.#closed || this.far === undefined || !this.process.alive) return
    this.far.#arrive(frame.subarray(FRAME_HEADER_BYTES), this.process)
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
    this.far?.finish(this.process)
    this.#giveUpOnSilence()
  }

  /** As the adapter of sockets does: a machine that is not heard of closes nothing in turn. */
  #giveUpOnSilence(): void {
    const { far, process } = this
    if (far === undefined || this.#network.heldUntilMs(process, far.process) < process.nowMs) return
    process.later(SILENCE_MS, `gives up ${this.label}`, () => {
      if (this.#told) return
      this.#told = true
      this.#events?.onClose()
    })
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
    this.far?.finish(this.process)
  }

  /** The connection is lost, as by a reset: nothing more is sent or heard at this end. */
  breaks(): void {
    if (this.#told) return
    this.#closed = true
    this.#told = true
    const error = Object.assign(new Error(`${this.label} was reset`), { code: 'ECONNRESET' })
    const tell = this.#onceStarted(() => this.#events?.onClose(error))
    this.process.later(0, `loses ${this.label}`, tell)
  }

  #arrive(body: Buffer, from: SimProcess): void {
    const atMs = this.#arrival(from)
    this.inFlightBytes += body.byteLength
    const deliver = (): void => {
      this.inFlightBytes -= body.byteLength
      if (!this.#told) this.#events?.onFrame(body)
    }
    const label = `frame ${this.label} ${String(crc32(body))}`
    this.process.at(atMs, label, this.#onceStarted(deliver), () => showFrame(body))
  }

  /** The other side says that nothing more comes. */
  finish(from: SimProcess): void {
    const end = (): void => {
      if (this.#told) return
      this.close()
      this.#told = true
      this.#events?.onClose()
    }
    this.process.at(this.#arrival(from), `end of ${this.label}`, this.#onceStarted(end))
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

/** As in connection-socket-system.ts. */
const SILENCE_MS = 1_000
const DIAL_MS_MAX = 20_000

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
  /** Who ever listened where. */
  readonly #hosts = new Map<string, SimProcess>()
  readonly #ends = new Map<SimProcess, Set<End>>()
  readonly #held = new Map<string, number>()
  readonly #heldMachines = new Map<string, number>()

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

  /** The same for all processes of two machines; dials wait as well. */
  holdMachines(a: string, b: string, forMs: number): void {
    const pair = machinesOf({ name: a }, { name: b })
    const untilMs = this.#scheduler.nowMs + forMs
    this.#heldMachines.set(pair, Math.max(untilMs, this.#heldMachines.get(pair) ?? 0))
    const { silenceMs = Infinity } = this.quality
    if (forMs <= silenceMs) return
    const atMs = this.#scheduler.nowMs + silenceMs
    this.#scheduler.at(atMs, undefined, `${pair} acknowledge nothing`, () => {
      if ((this.#heldMachines.get(pair) ?? 0) > this.#scheduler.nowMs) this.#breakBetween(a, b)
    })
  }

  /** At both ends. */
  #breakBetween(a: string, b: string): void {
    for (const [process, ends] of this.#ends) {
      if (machineOf(process) !== a) continue
      for (const end of ends) {
        if (end.far === undefined || machineOf(end.far.process) !== b) continue
        end.breaks()
        end.far.breaks()
      }
    }
  }

  /** Every connection between the two breaks. */
  cut(a: SimProcess, b: SimProcess): void {
    for (const end of [...this.#endsOf(a)]) {
      if (end.far?.process !== b) continue
      end.breaks()
      end.far.breaks()
    }
  }

  heldUntilMs(a: SimProcess, b: SimProcess): number {
    return Math.max(this.#held.get(pairOf(a, b)) ?? 0, this.#machinesHeldUntilMs(a, b))
  }

  #machinesHeldUntilMs(a: SimProcess, b: SimProcess): number {
    return this.#heldMachines.get(machinesOf(a, b)) ?? 0
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
    this.#hosts.set(address, process)
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
    const to = this.#hosts.get(address)
    const heldMs = to === undefined ? 0 : this.#machinesHeldUntilMs(process, to) - process.nowMs
    return new Promise((resolve, reject) => {
      if (heldMs > DIAL_MS_MAX) {
        process.later(DIAL_MS_MAX, `gives up dialling ${address}`, () => {
          reject(Object.assign(new Error(`${address} is silent`), { code: 'ETIMEDOUT' }))
        })
        return
      }
      process.later(Math.max(heldMs, this.latency()), `connects to ${address}`, () => {
        const listening = this.#listening.get(address)
        if (listening === undefined) {
          const error = new Error(`nothing listens at ${address}`)
          reject(Object.assign(error, { code: 'ECONNREFUSED' }))
          return
        }
        const near = this.#end(process, `${address}>`)
        const far = this.#end(listening.process, `${address}<${process.name}`)
        near.far = far
        far.far = near
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

/** A process is named after its machine: `machine` or `machine/process`. */
export const machineOf = ({ name }: Pick<SimProcess, 'name'>): string => name.split('/')[0] ?? name

const machinesOf = (a: Pick<SimProcess, 'name'>, b: Pick<SimProcess, 'name'>): string =>
  [machineOf(a), machineOf(b)].sort().join(' ')
