// What a seed draws for a cluster of several nodes: how many, how good its links and its way to the
// GCS are, and which faults it will see. As in ../plan.ts, most seeds see a few kinds only.
import type { Draw } from '../draw.ts'
import type { DiskQuality } from '../disk.ts'
import type { ServiceQuality } from '../service.ts'
import { drawPlan, withFaultsWithin, withoutFaults, type Plan } from '../plan.ts'

export interface NodesPlan {
  /** Of each node. */
  readonly node: Plan
  /** So many must be there and well at any time: each has two watchers at least. */
  readonly wellMin: number
  readonly nodeCount: number
  /** Share of calls to the GCS that fail in ordinary times. */
  readonly failChance: number
  /** What drivers do beside tasks. */
  readonly parts: readonly PartName[]
  readonly faults: NodesFaultRates
  readonly pauseMsMax: number
  /** Links are cut for so long at least. */
  readonly cutMsMin: number
  /** Where nodes spill to one. */
  readonly bucket: BucketPlan | undefined
  /** Share of nodes whose disk is as bad as the plan says; those of the others are good. */
  readonly badDiskShare: number
  /** Share of values that lie in a store, in place of being small. */
  readonly largeShare: number
  /** No fault begins after that. */
  readonly faultsEndMs: number
}

/** What drivers may do beside tasks. */
export const PART_NAMES = ['actors', 'groups', 'orphans', 'limiters', 'durable'] as const
export type PartName = (typeof PART_NAMES)[number]

export interface BucketPlan extends Readonly<ServiceQuality> {
  /** Whether disks are used while they have room. */
  readonly diskFirst: boolean
}

/** Mean virtual milliseconds between two of a fault; Infinity for never. */
export interface NodesFaultRates {
  readonly breakMs: number
  readonly partitionMs: number
  readonly pairCutMs: number
  readonly oneWayMs: number
  readonly isolateMs: number
  readonly gcsCutMs: number
  readonly aloneMs: number
  readonly outageMs: number
  readonly killMs: number
  readonly pauseMs: number
  readonly slowMs: number
  readonly drainMs: number
  /** One process alone, of any node. */
  readonly killWorkerMs: number
  readonly killDriverMs: number
  /** The bucket is away. */
  readonly bucketMs: number
}

const MIB = 1024 * 1024
const WELL_MIN = 3
const BUCKET_SHARE = 0.4
/** As UNACKNOWLEDGED_LIMIT_MS (D103). */
const SILENCE_MS = 15_000
const PAUSE_MS_MAX = 45_000
/** Where what a dead node had goes on elsewhere before it wakes up. */
const LONG_PAUSE_MS_MAX = 90_000
const CUT_MS_MIN = 1_000
/** Who counts tokens notices: longer than SILENCE_MS. */
const NOTICED_CUT_MS = 20_000
/** Of each node: what only placement groups ask for. */
export const SLOTS = 2
const NEVER: NodesFaultRates = {
  ...{ breakMs: Infinity, partitionMs: Infinity, pairCutMs: Infinity, isolateMs: Infinity },
  ...{
    oneWayMs: Infinity,
    gcsCutMs: Infinity,
    aloneMs: Infinity,
    outageMs: Infinity,
    killMs: Infinity,
    pauseMs: Infinity,
    slowMs: Infinity,
  },
  ...{ drainMs: Infinity, killWorkerMs: Infinity, killDriverMs: Infinity },
  bucketMs: Infinity,
}
/** Most worlds have few large values; where they are many, stores spill. */
const LARGE_SHARES = [0.3, 0.3, 0.3, 0.9]

export function drawNodesPlan(draw: Draw, parts: readonly PartName[] = []): NodesPlan {
  const rate = (chance: number, fromMs: number, toMs: number): number =>
    draw.chance(chance) ? draw.between(fromMs, toMs) : Infinity
  const within = draw.fork('within nodes')
  const oneWay = draw.fork('one way')
  const slow = draw.fork('slow')
  const spikeChance = draw.chance(0.3) ? draw.between(0, 0.05) : 0
  return {
    node: {
      ...withFaultsWithin(drawPlan(draw.fork('node'))),
      cpus: draw.int(1, 2),
      arenaBytes: within.pick([1, 2]) * MIB,
      resources: parts.includes('groups') ? { slot: SLOTS } : {},
      link: {
        ...{ latencyMs: draw.pick([0.1, 1, 20]), jitterMs: draw.pick([0.1, 2]) },
        ...{ spikeChance, spikeMs: 400 },
        silenceMs: SILENCE_MS,
      },
      storage: { latencyMs: draw.pick([0.5, 5, 50, 300]), failChance: 0 },
    },
    wellMin: WELL_MIN,
    nodeCount: draw.int(WELL_MIN + 1, WELL_MIN + 3),
    failChance: draw.chance(0.5) ? draw.between(0, 0.3) : 0,
    parts,
    faults: {
      breakMs: rate(0.5, 2_000, 15_000),
      partitionMs: rate(0.4, 5_000, 20_000),
      pairCutMs: rate(0.4, 5_000, 20_000),
      isolateMs: rate(0.3, 5_000, 30_000),
      gcsCutMs: rate(0.4, 5_000, 20_000),
      outageMs: rate(0.3, 10_000, 40_000),
      aloneMs: rate(0.3, 5_000, 20_000),
      killMs: rate(0.5, 10_000, 40_000),
      pauseMs: rate(0.5, 5_000, 25_000),
      drainMs: rate(0.3, 10_000, 40_000),
      oneWayMs: oneWay.chance(0.4) ? oneWay.between(5_000, 20_000) : Infinity,
      slowMs: slow.chance(0.25) ? slow.between(10_000, 40_000) : Infinity,
      killWorkerMs: within.chance(0.4) ? within.between(500, 10_000) : Infinity,
      killDriverMs: within.chance(0.2) ? within.between(10_000, 40_000) : Infinity,
      bucketMs: within.chance(0.4) ? within.between(5_000, 30_000) : Infinity,
    },
    bucket: drawBucket(draw.fork('bucket'), parts),
    badDiskShare: within.pick([0.5, 1]),
    largeShare: within.pick(LARGE_SHARES),
    cutMsMin: parts.includes('limiters') ? NOTICED_CUT_MS : CUT_MS_MIN,
    pauseMsMax: parts.includes('actors') ? LONG_PAUSE_MS_MAX : PAUSE_MS_MAX,
    faultsEndMs: draw.between(30_000, 70_000),
  }
}

/** What is durable needs one. */
function drawBucket(draw: Draw, parts: readonly PartName[]): BucketPlan | undefined {
  if (!draw.chance(BUCKET_SHARE) && !parts.includes('durable')) return undefined
  return {
    latencyMs: draw.pick([10, 50, 500]),
    failChance: draw.chance(0.5) ? draw.between(0, 0.3) : 0,
    diskFirst: draw.chance(0.5),
  }
}

/** The same cluster, and nothing goes wrong in it. */
export const withoutNodesFaults = (plan: NodesPlan): NodesPlan => ({
  ...plan,
  node: withoutFaults(plan.node),
  failChance: 0,
  bucket: plan.bucket && { ...plan.bucket, failChance: 0 },
  faults: NEVER,
})

/** Of one life of a node. @param isFaulty  whether faults may still begin. */
export function drawDisk(plan: NodesPlan, draw: Draw, isFaulty: boolean): DiskQuality {
  const { disk } = plan.node
  if (isFaulty && draw.chance(plan.badDiskShare)) return { ...disk }
  return { ...disk, failChance: 0, damageChance: 0 }
}

export const bucketQuality = ({ bucket }: NodesPlan, isFaulty: boolean): ServiceQuality => ({
  latencyMs: bucket?.latencyMs ?? 0,
  failChance: isFaulty ? (bucket?.failChance ?? 0) : 0,
})
