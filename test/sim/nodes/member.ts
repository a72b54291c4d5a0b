// One life of a simulated node: the process of its raylet, what was done to it, and what it knows
// of the others.
//   starting ──► well ──► gone (killed, expelled, or drained): its next life has the next epoch
//                 └──► paused, cut off from others or from the GCS: well again in time
import { toHex, type NodeId } from '../../../runtime/common/ids.ts'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import { EpochFence } from '../../../runtime/raylet/cluster/epoch-fence.ts'
import type { SimProcess } from '../process.ts'
import type { DiskQuality } from '../disk.ts'
import type { ServiceQuality } from '../service.ts'
import type { SimNode } from '../world.ts'

export const lifeOf = ({ nodeId, epoch }: Pick<NodeRow, 'nodeId' | 'epoch'>): string =>
  `${nodeId}#${String(epoch)}`

/** The judge of connections, which is told of every row that this node learns. */
export class KnownRows extends EpochFence {
  readonly rows = new Map<string, Pick<NodeRow, 'epoch' | 'state'>>()
  /** Lives of nodes that were seen while they lasted, by node and epoch. */
  readonly met = new Set<string>()

  override learn(row: Pick<NodeRow, 'nodeId' | 'epoch' | 'state'>): void {
    super.learn(row)
    this.rows.set(row.nodeId, { epoch: row.epoch, state: row.state })
    if (row.state !== 'DEAD') this.met.add(lifeOf(row))
  }
}

/** A node may rightly be declared dead for so long after what made it seem so. */
const AFTERMATH_MS = 30_000

export class SimMember {
  readonly id: NodeId
  readonly epoch: number
  readonly machine: string
  readonly process: SimProcess
  /** Of its way to the GCS, and to the bucket. */
  readonly quality: ServiceQuality
  readonly bucket: ServiceQuality
  readonly disk: DiskQuality
  readonly fence = new KnownRows()
  node: SimNode | undefined
  /** Of its driver, or the one after it. */
  driver: SimProcess | undefined
  driverCount = 0
  /** It is a member, and drivers may connect. */
  started = false
  drained = false
  pausedUntilMs = 0
  isolatedUntilMs = 0
  slowUntilMs = 0
  gcsCutUntilMs = 0
  /** By part of its driver's program: when all of one round ended well last. */
  readonly goodAtMs = new Map<string, number>()
  /** The newest lease that was looked at. */
  leaseSeen = 0
  wasDraining = false
  #mayDieUntilMs = -Infinity

  constructor(
    who: { readonly id: NodeId; readonly epoch: number; readonly machine: string },
    process: SimProcess,
    of: Pick<SimMember, 'quality' | 'bucket' | 'disk'>,
  ) {
    this.id = who.id
    this.epoch = who.epoch
    this.machine = who.machine
    this.process = process
    this.quality = of.quality
    this.bucket = of.bucket
    this.disk = of.disk
  }

  get nodeId(): string {
    return toHex(this.id)
  }

  /** Until then, and a while after, others may take it for dead: it was killed or stood still. */
  mayDie(untilMs: number): void {
    this.#mayDieUntilMs = Math.max(this.#mayDieUntilMs, untilMs + AFTERMATH_MS)
  }

  mayBeDeclaredDead(nowMs: number): boolean {
    return !this.process.alive || nowMs <= this.#mayDieUntilMs
  }

  /** Up, and nothing stands between it and the others or the GCS. */
  isWell(nowMs: number): boolean {
    return this.isServing && this.pausedUntilMs <= nowMs
  }

  get isServing(): boolean {
    return this.started && this.process.alive && !this.drained && !this.isLeaving
  }

  get isLeaving(): boolean {
    return this.node?.raylet.state.leaving === true
  }
}
