// A simulated cluster of several nodes: real raylets with their membership over simulated links and
// one GCS, each with a driver that has tasks run. A node that is gone may start anew, under its
// next epoch, as a new machine.
import { newNodeId, toHex, type NodeId, type WorkerId } from '../../../runtime/common/ids.ts'
import { sendCommand } from '../../../runtime/gcs/nodes.ts'
import { MemoryBucket } from '../../support/memory-bucket.ts'
import { simBucket } from '../bucket.ts'
import { LateKeys } from '../late-keys.ts'
import type { Draw } from '../draw.ts'
import { Ledger } from '../ledger.ts'
import { machineOf, type SimProcess } from '../process.ts'
import type { NodeOfSeveral, SimNode, World } from '../world.ts'
import { SimMember } from './member.ts'
import { SimPeers } from './peers.ts'
import { bucketQuality, drawDisk, type NodesPlan } from './plan.ts'
import { NodesProgram } from './program.ts'
import { Witness } from './witness.ts'

const CLUSTER = 'simulated'
/** Who could not join tries again. */
const RETRY_MS = 2_000

/** What the driver of a node does; none ends by itself where the run does not wait for it. */
export type ProgramOf = (of: {
  readonly cluster: Cluster
  readonly member: SimMember
  /** Of the driver, for keys that nobody else has. */
  readonly name: string
  readonly draw: Draw
}) => { run(): Promise<void> }

const seededProgram: ProgramOf = (of) => new NodesProgram(of)

export class Cluster {
  readonly world: World
  readonly plan: NodesPlan
  /** All lives of all nodes. */
  readonly members: SimMember[] = []
  readonly witness: Witness
  /** By name, whose driver made it, until they are removed. */
  readonly detachedGroups = new Map<string, SimMember>()
  /** By life of an actor, the worker that was told to construct it. */
  readonly constructors = new Map<string, WorkerId>()
  /** Who gave out tokens of limiters last. */
  keeper: SimMember | undefined
  /** When what has been done to it so far has passed. */
  troubleEndsMs = 0
  /** Programs begin nothing any more, and end. */
  isEnding = false
  /** Drivers whose programs have not ended. */
  readonly atWork = new Set<SimProcess>()
  readonly ledger: Ledger
  readonly #peers: SimPeers
  readonly bucket = new MemoryBucket()
  /** Of the bucket. */
  readonly late = new LateKeys()
  readonly #draw: Draw
  readonly #programOf: ProgramOf
  #nextMachine = 1

  /** @param programOf  what drivers do. */
  constructor(world: World, draw: Draw, plan: NodesPlan, programOf: ProgramOf = seededProgram) {
    this.world = world
    this.plan = plan
    this.#draw = draw
    this.#programOf = programOf
    this.ledger = new Ledger(world, {
      isOver: (process) => this.isOver(process),
      breaksSince: (a, b, sinceMs) => world.network.breaks.since(a, b, sinceMs),
    })
    this.#peers = new SimPeers(world.network)
    this.witness = new Witness(world.storage, {
      scheduler: world.scheduler,
      probes: world.probes,
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
    const bucket = bucketQuality(plan, isFaulty)
    const disk = drawDisk(plan, this.#draw.fork(`disk of ${machine}`), isFaulty)
    let made: SimMember | undefined
    const ready = world.startNode(machine, (process) => {
      const member = (made = new SimMember({ id, epoch, machine }, process, {
        ...{ quality, bucket, disk },
      }))
      this.members.push(member)
      const self = { cluster: CLUSTER, nodeId, epoch }
      const transport = this.#peers.transportOf(process, self, member.fence)
      const cluster = { transport, listenAt: '', fence: member.fence, host: undefined }
      return {
        ...{ nodeId: id, epoch, cluster, storage: this.witness.storage, quality, disk },
        ...this.#bucketOf(member),
      }
    })
    const member = made
    if (member === undefined) throw new Error('the node was not made')
    member.node = world.nodes.at(-1)
    this.#whenEnded(member)
    ready
      .then(async (node) => {
        member.started = true
        await this.drive(member, node)
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

  /** A driver of that node does what it is to do until it ends: the first one, or the next. */
  async drive(member: SimMember, node: SimNode): Promise<void> {
    const { machine } = member
    member.driverCount += 1
    const which = member.driverCount === 1 ? '' : String(member.driverCount)
    const isDurable = this.plan.parts.includes('durable')
    const driver = await this.world.startDriver(`${machine}/driver${which}`, node, isDurable)
    member.driver = driver.process
    const name = which === '' ? machine : `${machine}-${which}`
    const draw = this.#draw.fork(`${name} program`)
    const program = this.#programOf({ cluster: this, member, name, draw })
    this.atWork.add(driver.process)
    await driver.core.deps.context.run(driver.core.rootScope, () => program.run())
    this.atWork.delete(driver.process)
  }

  /** A person wants that node gone. */
  drain(member: SimMember, random: Draw): void {
    const { scheduler } = this.world
    member.drained = true
    const clock = { ...member.process.clock, monotonicMs: () => scheduler.nowMs }
    sendCommand({ storage: this.witness.storage, clock, random }, member.nodeId, 'drain').then(
      () => undefined,
      (error: unknown) => {
        scheduler.fail('the drain could not be sent', error)
      },
    )
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

  /** What it spills to beside its disk, where the cluster has that. */
  #bucketOf({ process, machine, nodeId, epoch, bucket }: SimMember): Pick<NodeOfSeveral, 'bucket'> {
    const { plan, world } = this
    const { scheduler, probes } = world
    if (plan.bucket === undefined) return {}
    const draw = this.#draw.fork(`bucket of ${machine}`)
    const owner = `${nodeId}-${String(epoch)}`
    const parts = { owner, scheduler, draw, probes, quality: bucket, late: this.late }
    const { diskFirst } = plan.bucket
    return { bucket: { diskFirst, bucket: simBucket(process, this.bucket, parts) } }
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
}
