// Drivers and workers that are only a channel to a raylet: no process, no socket.
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { Channel } from '../../../runtime/protocol/channel.ts'
import type { Transport } from '../../../runtime/protocol/connection.ts'
import type {
  Hello,
  RayletCalls,
  RayletNotices,
  Welcome,
} from '../../../runtime/protocol/messages.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import type { WorkerStart } from '../../../runtime/raylet/turn.ts'
import type { WorkerEvents, WorkerHandle } from '../../../runtime/raylet/worker-launcher.ts'
import { until } from '../../support/waiting.ts'

export const ADDRESS = 'raylet'
/** Of the workers; the drivers have others, and are never seen by the memory probe. */
export const FIRST_PID = 100
const codec = new ValueCodec()

export interface Seen {
  readonly type: string
  readonly message: Record<string, unknown>
}

/** One end of a connection to the raylet, that remembers what it was told. */
export class Peer {
  readonly seen: Seen[] = []
  readonly channel: Channel<RayletCalls, RayletNotices>
  closed = false

  constructor(channel: Channel<RayletCalls, RayletNotices>) {
    this.channel = channel
    channel.start({
      notified: (type, message) =>
        this.seen.push({ type, message: message as Record<string, unknown> }),
      requested: () => undefined,
      closed: () => {
        this.closed = true
      },
    })
  }

  static async connect(transport: Transport): Promise<Peer> {
    return new Peer(new Channel(await transport.connect(ADDRESS), { clock: systemClock, codec }))
  }

  hello(changes: Omit<Partial<Hello>, 'workerId'> & { workerId: string }): Promise<Welcome> {
    return this.channel.request('hello', {
      magic: 'virga',
      protocolMin: 1,
      protocolMax: 1,
      role: 'driver',
      pid: 1,
      address: `@${changes.workerId}`,
      ...changes,
      workerId: changes.workerId as WorkerId,
    })
  }

  async told(type: string): Promise<Record<string, unknown>> {
    await until(() => this.seen.some((each) => each.type === type))
    return this.seen.find((each) => each.type === type)?.message ?? {}
  }
}

/** Starts workers that say hello and do nothing; they leave when told, or never. */
export class FakeLauncher {
  readonly started: { worker: WorkerStart; events: WorkerEvents; peer: Peer | undefined }[] = []
  readonly signals: string[] = []
  stubborn = false
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  start(worker: WorkerStart, events: WorkerEvents): WorkerHandle {
    const index = this.started.length
    const entry = { worker, events, peer: undefined as Peer | undefined }
    this.started.push(entry)
    const exit = (code: number | null, signal: string | null): void => {
      entry.peer?.channel.close()
      events.exited({ code, signal })
    }
    const live = async (): Promise<void> => {
      const peer = await Peer.connect(this.#transport)
      entry.peer = peer
      await peer.hello({ workerId: worker.workerId, role: 'worker', pid: FIRST_PID + index })
      if (this.stubborn) return
      await peer.told('exit')
      exit(0, null)
    }
    // Refused: the raylet is leaving already, and signals it.
    live().catch(() => undefined)
    return {
      pid: FIRST_PID + index,
      signal: (signal) => {
        this.signals.push(signal)
        exit(null, signal)
      },
      pauseOutput: () => undefined,
      resumeOutput: () => undefined,
    }
  }
}
