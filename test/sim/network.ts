// The network and the local sockets of a simulated run: the Transport port with latency, and stalls
// per pair of processes or of machines. A connection never loses or reorders, as streams do not:
// what was sent arrives in order, if late, unless the connection breaks. Connections overtake each
// other.
//   N-invariants of connection.ts: frames whole and in order (N1), onClose once per side (N2).
import { crc32 } from 'node:zlib'
import { KEEP_ALIVE_MS } from '../../runtime/common/limits.ts'
import {
  FRAME_HEADER_BYTES,
  type Connection,
  type ConnectionEvents,
  type Transport,
} from '../../runtime/protocol/connection.ts'
import { Breaks } from './breaks.ts'
import type { Draw } from './draw.ts'
import { Holds } from './holds.ts'
import type { Probes } from './probes.ts'
import { machineOf, type SimProcess } from './process.ts'
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
  /** Which cut broke it. */
  #brokenBy: number | undefined
  /** What was under way here when the other end broke never arrives. */
  #lostCount = 0

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
    const { holds } = this.#network
    if (far === undefined || holds.answersMs(process, far.process) < process.nowMs) return
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

  get isBroken(): boolean {
    return this.#brokenBy !== undefined
  }

  /** The connection is lost at this end: nothing more is sent or heard here. */
  breaks(cut: number, code = 'ECONNRESET'): void {
    if (this.#told) return
    this.#closed = true
    this.#told = true
    this.#brokenBy = cut
    const { far, label, process } = this
    if (far !== undefined) {
      far.#lostCount += 1
      this.#network.breaks.note(process, far.process, { cut, atMs: process.nowMs })
    }
    const error = Object.assign(new Error(`${label} broke`), { code })
    const tell = this.#onceStarted(() => this.#events?.onClose(error))
    process.later(0, `loses ${label}`, tell)
  }

  #arrive(body: Buffer, from: SimProcess): void {
    const atMs = this.#arrival(from)
    const { far, label } = this
    const lostCount = this.#lostCount
    this.inFlightBytes += body.byteLength
    const deliver = (): void => {
      this.inFlightBytes -= body.byteLength
      if (this.#brokenBy !== undefined) this.#network.resets(far, this.#brokenBy)
      else if (!this.#told && lostCount === this.#lostCount) this.#events?.onFrame(body)
    }
    const what = `frame ${label} ${String(crc32(body))}`
    this.process.at(atMs, what, this.#onceStarted(deliver), () => showFrame(body))
  }

  /** The other side says that nothing more comes. */
  finish(from: SimProcess): void {
    const lostCount = this.#lostCount
    const end = (): void => {
      if (this.#told || lostCount !== this.#lostCount) return
      this.close()
      this.#told = true
      this.#events?.onClose()
    }
    this.process.at(this.#arrival(from), `end of ${this.label}`, this.#onceStarted(end))
  }

  #arrival(from: SimProcess): number {
    const network = this.#network
    const heldMs = network.holds.arrivesMs(from, this.process)
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
  readonly breaks = new Breaks()
  readonly holds = new Holds()
  readonly #scheduler: Scheduler
  readonly #draw: Draw
  readonly #probes: Probes
  readonly #listening = new Map<string, Listening>()
  /** Who ever listened where. */
  readonly #hosts = new Map<string, SimProcess>()
  readonly #ends = new Map<SimProcess, Set<End>>()
  #nextCut = 1

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
    this.holds.hold(a, b, this.#scheduler.nowMs + forMs)
  }

  /** The same for all processes of two machines; dials wait as well. */
  holdMachines(a: string, b: string, forMs: number): void {
    this.holds.holdOneWay(b, a, this.#scheduler.nowMs + forMs)
    this.holdOneWay(a, b, forMs)
  }

  /** Nothing that one sends reaches the other, which is heard all the same: then neither has what
   *  it sent acknowledged, and none can dial. */
  holdOneWay(from: string, to: string, forMs: number): void {
    const { nowMs } = this.#scheduler
    this.holds.holdOneWay(from, to, nowMs + forMs)
    const { silenceMs = Infinity } = this.quality
    if (forMs <= silenceMs) return
    const what = `${from} and ${to} have acknowledged nothing`
    this.#scheduler.at(nowMs + silenceMs, undefined, what, () => {
      if (this.holds.machinesAnswerMs(from, to) > this.#scheduler.nowMs) this.#silent(from, to)
    })
  }

  /** Each end of their connections gives up by itself: who has nothing to say asks once in a while
   *  whether the other is there. */
  #silent(a: string, b: string): void {
    const cut = this.#nextCut++
    for (const [process, ends] of this.#ends) {
      if (machineOf(process) !== a) continue
      for (const end of ends) {
        if (end.far === undefined || machineOf(end.far.process) !== b) continue
        this.#givesUp(end, end.far, cut)
        this.#givesUp(end.far, end, cut)
      }
    }
  }

  #givesUp(end: End, far: End, cut: number): void {
    const inMs = this.#draw.chance(0.5) ? 0 : this.#draw.between(0, KEEP_ALIVE_MS)
    this.#scheduler.at(this.#scheduler.nowMs + inMs, undefined, `gives up ${end.label}`, () => {
      const answersMs = this.holds.answersMs(end.process, far.process)
      if (answersMs > this.#scheduler.nowMs) end.breaks(cut, 'ETIMEDOUT')
      else if (far.isBroken) end.breaks(cut)
    })
  }

  /** What it sent came to an end that had given up. */
  resets(end: End | undefined, cut: number): void {
    this.#scheduler.at(this.#scheduler.nowMs + this.latency(), undefined, 'resets', () => {
      end?.breaks(cut)
    })
  }

  /** Every connection between the two breaks. */
  cut(a: SimProcess, b: SimProcess): void {
    const cut = this.#nextCut++
    for (const end of [...this.#endsOf(a)]) {
      if (end.far?.process !== b) continue
      end.breaks(cut)
      end.far.breaks(cut)
    }
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
    const heldMs =
      to === undefined
        ? 0
        : this.holds.machinesAnswerMs(machineOf(process), machineOf(to)) - process.nowMs
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
