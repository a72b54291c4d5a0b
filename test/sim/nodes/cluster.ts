// A simulated cluster of several nodes: real raylets with their membership over simulated links and
// one GCS, each with a driver that has tasks run. A node that is gone may start anew, under its
// next epoch, as a new machine.
import { newNodeId, toHex, type NodeId } from '../../../runtime/common/ids.ts'
import type { Draw } from '../draw.ts'
import { Ledger } from '../ledger.ts'
import { machineOf, type SimProcess } from '../process.ts'
import type { World } from '../world.ts'
import { SimMember } from './member.ts'
import { SimPeers } from './peers.ts'
import type { NodesPlan } from './plan.ts'
import { NodesProgram } from './program.ts'
import { Witness } from './witness.ts'

const CLUSTER = 'simulated'
/** Who could not join tries again. */
const RETRY_MS = 2_000

export class Cluster {
  readonly world: World
  readonly plan: NodesPlan
  /** All lives of all nodes. */
  readonly members: SimMember[] = []
  readonly witness: Witness
  /** When what has been done to it so far has passed. */
  troubleEndsMs = 0
  readonly ledger: Ledger
  readonly #peers: SimPeers
  readonly #draw: Draw
  #nextMachine = 1

  constructor(world: World, draw: Draw, plan: NodesPlan) {
    this.world = world
    this.plan = plan
    this.#draw = draw
    this.ledger = new Ledger(world, {
      isOver: (process) => this.isOver(process),
      breaksSince: (a, b, sinceMs) => world.network.breaks.since(a, b, sinceMs),
    })
    this.#peers = new SimPeers(world.network)
    this.witness = new Witness(world.storage, {
      scheduler: world.scheduler,
      memberOf: (nodeId, epoch) =>
        this.members.find((member) => member.nodeId === nodeId && member.epoch === epoch),
    })
  }

  startAll(): void {
    const ids = this.#draw.fork('node ids')
    for (let i = 0; i < this.plan.nodeCount; i += 1) this.start(newNodeId(ids))
  }

  /** Its next life. */
  start(id: NodeId): void {
    const { world, plan } = this
    const { scheduler } = world
    const nodeId = toHex(id)
    // A life that never registered leaves its epoch to the next.
    const epoch = (this.witness.rows.get(nodeId)?.epoch ?? 0) + 1
    const machine = `m${String(this.#nextMachine++)}`
    const isFaulty = scheduler.nowMs < plan.faultsEndMs
    const quality = {
      latencyMs: plan.node.storage.latencyMs,
      failChance: isFaulty ? plan.failChance : 0,
    }
    let made: SimMember | undefined
    const ready = world.startNode(machine, (process) => {
      const member = (made = new SimMember({ id, epoch, machine }, process, quality))
      this.members.push(member)
      const self = { cluster: CLUSTER, nodeId, epoch }
      const transport = this.#peers.transportOf(process, self, member.fence)
      const cluster = { transport, listenAt: '', fence: member.fence, host: undefined }
      return { nodeId: id, epoch, cluster, storage: this.witness.storage, quality }
    })
    const member = made
    if (member === undefined) throw new Error('the node was not made')
    member.node = world.nodes.at(-1)
    this.#whenEnded(member)
    ready
      .then(async (node) => {
        member.started = true
        await this.#drive(member, await world.startDriver(`${machine}/driver`, node))
      })
      .catch((error: unknown) => {
        scheduler.trace.add(scheduler.nowMs, machine, `gives up: ${String(error)}`)
        if (member.started || !member.process.alive) return
        member.process.end({ code: 1, signal: null })
        scheduler.at(scheduler.nowMs + RETRY_MS, undefined, 'tries to join again', () => {
          this.start(id)
        })
      })
  }

  /** The newest life of each node. */
  newest(): SimMember[] {
    const byId = new Map(this.members.map((member) => [member.nodeId, member]))
    return [...byId.values()]
  }

  serving(): SimMember[] {
    return this.members.filter((member) => member.isServing)
  }

  /** Those to whom nothing is being done that others could take for death. */
  well(): SimMember[] {
    const { nowMs } = this.world.scheduler
    return this.members.filter((member) => member.isWell(nowMs))
  }

  /** Whether the node of that process is known to be dead, though the process may live. */
  isOver(process: SimProcess): boolean {
    const machine = machineOf(process)
    const member = this.members.find((each) => each.machine === machine)
    return member !== undefined && this.witness.isOver(member)
  }

  lastsUntil(untilMs: number): void {
    this.troubleEndsMs = Math.max(this.troubleEndsMs, untilMs)
  }

  /** A machine ends with its raylet, once its other processes had time to see it. */
  #whenEnded(member: SimMember): void {
    const { scheduler } = this.world
    const { raylet } = member.node ?? {}
    if (raylet !== undefined) {
      raylet.onLeft = () => {
        member.process.end({ code: 0, signal: null })
      }
    }
    member.process.whenEnded(() => {
      scheduler.at(scheduler.nowMs + 1_000, undefined, `${member.machine} is gone`, () => {
        for (const each of this.world.processes()) {
          if (each.name.startsWith(`${member.machine}/`)) each.end({ code: 0, signal: null })
        }
      })
    })
  }

  async #drive(member: SimMember, driver: NonNullable<SimMember['driver']>): Promise<void> {
    member.driver = driver
    const draw = this.#draw.fork(`${member.machine} program`)
    const program = new NodesProgram(this, member, draw)
    await driver.core.deps.context.run(driver.core.rootScope, () => program.run())
  }
}
