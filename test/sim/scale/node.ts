// One simulated node: the real brain of a raylet with its real dealings with other nodes (leases,
// hops, gossip). Its workers are only times: so long to start, so long for each task.
import { newJobId, newNodeId, toHex, type WorkerId } from '../../../runtime/common/ids.ts'
import type { Random } from '../../../runtime/common/random.ts'
import { UNITS_PER_ONE, resourceSet } from '../../../runtime/common/resources.ts'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { ClientNotices, JobSpec } from '../../../runtime/protocol/messages.ts'
import { Brain, type ShellEffect } from '../../../runtime/raylet/brain.ts'
import { ClusterLeases } from '../../../runtime/raylet/cluster/cluster-leases.ts'
import type { PeerLink, PeerMessage } from '../../../runtime/raylet/cluster/peer-raylet-messages.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { aJob } from '../../support/a-driver.ts'
import { LINK_MS, RAYLET_MESSAGE_MS, WORKER_START_MS } from './costs.ts'
import { Server } from './server.ts'
import type { Traffic } from './traffic.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface ScaleNodeDeps {
  readonly time: VirtualTime
  readonly random: Random
  readonly traffic: Traffic
  find(nodeId: string): ScaleNode
}

/** What the driver of a node hears of its raylet. */
export interface DriverEars {
  granted(message: ClientNotices['leaseGranted']): void
  reclaim(leaseId: number): void
}

export class ScaleNode {
  readonly index: number
  readonly id: string
  readonly state: RayletState
  readonly #deps: ScaleNodeDeps
  readonly #server: Server
  readonly #brain: Brain
  readonly #leases: ClusterLeases
  /** To each node that has dialled this one. */
  readonly #links = new Map<string, PeerLink>()
  readonly #drivers = new Map<WorkerId, DriverEars>()

  constructor(index: number, cpus: number, deps: ScaleNodeDeps) {
    const { time, random } = deps
    const nodeId = newNodeId(random)
    this.index = index
    this.id = toHex(nodeId)
    this.#deps = deps
    this.#server = new Server(time)
    const totals = resourceSet({ CPU: cpus * UNITS_PER_ONE })
    const config = { nodeId, epoch: 1, totals, labels: {}, cpuCount: cpus, workersMax: 1_024 }
    const view = new ClusterView([], this.id)
    this.state = createState(
      { ...config, owned: false, isGcsHost: false },
      { view, random, shunned: new Map() },
    )
    this.#brain = new Brain(this.state, time, (effect) => {
      this.#perform(effect)
    })
    const member = {
      ask: this.#ask.bind(this),
      tell: (to: string, type: string, message: object) => {
        this.#tell(deps.find(to), type, message)
      },
      bufferedBytesTo: () => 0,
      isSuspected: () => false,
    } as unknown as ConstructorParameters<typeof ClusterLeases>[0]['member']
    this.#leases = new ClusterLeases({
      ...{ member, brain: this.#brain, state: this.state, clock: time, random },
    })
  }

  /** It is a member from now on, and knows all others. Rounds of gossip begin at any time. */
  start(rows: readonly NodeRow[]): void {
    const { time, random } = this.#deps
    this.#brain.tell({ kind: 'confirmed', untilMs: Infinity })
    this.#leases.nodes(rows)
    time.after(random.next() * 1_000, () => {
      this.#leases.start()
    })
  }

  get row(): NodeRow {
    const { totals, labels } = this.state.config
    return {
      ...{ nodeId: this.id, address: `10.0.0.1:1/${this.id}/1`, pid: 1, totals, labels, epoch: 1 },
      ...{ state: 'ALIVE', heartbeat: 1, commands: [], lastCommand: 0, doneCommand: 0 },
      death: undefined,
    }
  }

  /** A driver of this node says something to its raylet. */
  fromDriver(stimulus: Parameters<Brain['tell']>[0]): void {
    this.#server.serve(0, RAYLET_MESSAGE_MS, () => {
      this.#brain.tell(stimulus)
    })
  }

  addDriver(client: WorkerId, ears: DriverEars): void {
    this.#drivers.set(client, ears)
    const jobId = newJobId(this.#deps.random)
    const job: JobSpec = { ...aJob({ jobId, name: 'load', namespace: 'default' }) }
    const address = `${this.id}@driver`
    this.fromDriver({ kind: 'clientConnected', client, role: 'driver', pid: 1, address, job })
  }

  /** A message of another raylet, as it comes out of its connection. */
  #receive(run: () => void): void {
    this.#server.serve(LINK_MS, RAYLET_MESSAGE_MS, run)
  }

  #tell(to: ScaleNode, type: string, message: object): void {
    this.#deps.traffic.sent(this.id, to.id, type, message)
    to.#receive(() => {
      to.#leases.notified({ from: this.id, type, message, link: to.#linkTo(this) })
    })
  }

  async #ask(to: string, type: string, message: object): Promise<unknown> {
    const other = this.#deps.find(to)
    this.#deps.traffic.sent(this.id, to, type, message)
    const asked = { from: this.id, type, message, link: other.#linkTo(this) } as PeerMessage
    return await new Promise((resolve, reject) => {
      other.#receive(() => {
        other.#leases.requested(asked).then((answer) => {
          this.#receive(() => {
            resolve(answer)
          })
        }, reject)
      })
    })
  }

  #linkTo(home: ScaleNode): PeerLink {
    const known = this.#links.get(home.id)
    if (known !== undefined) return known
    const link: PeerLink = {
      id: home.index,
      notify: (type, message) => {
        this.#tell(home, type, message)
      },
    }
    this.#links.set(home.id, link)
    return link
  }

  #perform(effect: ShellEffect): void {
    const { time } = this.#deps
    switch (effect.kind) {
      case 'tellNode':
      case 'askLeases':
      case 'guestLeaseLapsed':
      case 'hasRoomAgain':
        this.#leases.perform(effect)
        return
      case 'spawn': {
        const { workerId: client } = effect.start
        const address = `${this.id}@${toHex(client)}`
        time.after(WORKER_START_MS, () => {
          const hello = { client, role: 'worker', pid: 2, address, job: undefined } as const
          this.#brain.tell({ kind: 'clientConnected', ...hello })
        })
        return
      }
      case 'notify': {
        const driver = this.#drivers.get(effect.to)
        if (effect.type === 'leaseGranted') driver?.granted(effect.message)
        if (effect.type === 'reclaimLease') driver?.reclaim(effect.message.leaseId)
        if (effect.type === 'exit') this.#ends(effect.to)
        if (driver === undefined) this.#leases.notifyGuest(effect)
        return
      }
      default:
        return // nothing else is of this load
    }
  }

  #ends(worker: WorkerId): void {
    const { time } = this.#deps
    time.after(1, () => {
      this.#brain.tell({ kind: 'clientClosed', client: worker })
      const exit = { workerId: worker, code: 0, signal: null, stderrTail: [] }
      this.#brain.tell({ kind: 'workerExited', exit } as unknown as Parameters<Brain['tell']>[0])
    })
  }
}
