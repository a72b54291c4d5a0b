// What a seed draws: the size of the cluster, the quality of its parts, and how much of which fault
// it will see. Most seeds see a few faults and none of the others, so that one fault does not hide
// what another would show (swarm testing).
// Source: Groce et al., Swarm Testing (ISSTA 2012); TigerBeetle's VOPR.
import type { DiskQuality } from './disk.ts'
import type { Draw } from './draw.ts'
import type { LinkQuality } from './network.ts'
import type { ServiceQuality } from './service.ts'

const MIB = 1024 * 1024

export interface Plan {
  readonly cpus: number
  readonly resources: Readonly<Record<string, number>>
  readonly workersMax: number
  readonly arenaBytes: number
  readonly link: LinkQuality
  readonly disk: DiskQuality
  readonly storage: ServiceQuality
  /** Share of workers that die before they say hello. */
  stillbornChance: number
  /** Whether objects may find no room: a small disk, or one that fails. */
  readonly diskMayRefuse: boolean
  readonly driverCount: number
  /** How many calls each driver's program makes. */
  readonly opCount: number
  /** Mean virtual milliseconds between two of a fault; Infinity for never. */
  readonly faults: FaultRates
  /** Faults end then, and the cluster must heal. */
  readonly faultsEndMs: number
}

/** What a plan is when nothing goes wrong: what the faults must not be blamed for. */
export function withoutFaults(plan: Plan): Plan {
  return {
    ...plan,
    link: { ...plan.link, spikeChance: 0 },
    disk: { ...plan.disk, failChance: 0, damageChance: 0 },
    storage: { ...plan.storage, failChance: 0 },
    stillbornChance: 0,
    faults: {
      killWorkerMs: Infinity,
      pauseMs: Infinity,
      stallMs: Infinity,
      killRayletAtMs: Infinity,
      killDriverAtMs: Infinity,
      outageMs: Infinity,
      crashChance: 0,
    },
  }
}

/** What strikes within one node is left as it is; what strikes its raylet, its driver, its links
 *  and its way to the GCS never does: of several nodes, these are drawn for all together. */
export function withFaultsWithin(plan: Plan): Plan {
  const calm = withoutFaults(plan)
  const { crashChance } = plan.faults
  return {
    ...calm,
    disk: { ...plan.disk },
    stillbornChance: plan.stillbornChance,
    faults: { ...calm.faults, crashChance },
  }
}

/** From now on nothing more strikes within nodes of that plan; what is damaged stays so. */
export function endFaultsWithin(plan: Plan): void {
  plan.disk.failChance = 0
  plan.stillbornChance = 0
  plan.faults.crashChance = 0
}

export interface FaultRates {
  readonly killWorkerMs: number
  readonly pauseMs: number
  readonly stallMs: number
  /** When the raylet, or a driver, is killed; Infinity for never. */
  readonly killRayletAtMs: number
  readonly killDriverAtMs: number
  /** The GCS is away for a while. */
  readonly outageMs: number
  /** Share of the moments right before and after an effect at which its process is killed. */
  crashChance: number
}

export function drawPlan(draw: Draw): Plan {
  const rate = (chance: number, fromMs: number, toMs: number): number =>
    draw.chance(chance) ? draw.between(fromMs, toMs) : Infinity
  const share = (chance: number, most: number): number =>
    draw.chance(chance) ? draw.between(0, most) : 0
  const arenaBytes = draw.pick([2, 4, 16]) * MIB
  const capacityBytes = draw.chance(0.15) ? arenaBytes : 64 * MIB
  const failChance = share(0.2, 0.3)
  const damage = draw.fork('damage')
  return {
    cpus: draw.int(1, 4),
    resources: draw.chance(0.3) ? { slot: 2 } : {},
    workersMax: draw.pick([64, 64, 200]),
    arenaBytes,
    link: {
      latencyMs: draw.pick([0.02, 0.1, 1]),
      jitterMs: draw.pick([0.01, 0.1, 2]),
      spikeChance: share(0.4, 0.1),
      spikeMs: draw.pick([5, 60, 400]),
    },
    disk: {
      capacityBytes,
      latencyMs: draw.pick([0.1, 2, 50]),
      failChance,
      damageChance: damage.chance(0.3) ? damage.between(0, 0.5) : 0,
    },
    diskMayRefuse: capacityBytes <= arenaBytes || failChance > 0,
    storage: { latencyMs: draw.pick([0.1, 5, 50]), failChance: share(0.4, 0.5) },
    stillbornChance: share(0.2, 0.2),
    driverCount: draw.pick([1, 1, 2]),
    opCount: draw.int(5, 40),
    faults: {
      killWorkerMs: rate(0.5, 20, 1000),
      pauseMs: rate(0.3, 50, 1000),
      stallMs: rate(0.3, 50, 1000),
      outageMs: rate(0.2, 200, 2000),
      killRayletAtMs: rate(0.06, 20, 2000),
      killDriverAtMs: rate(0.12, 20, 2000),
      crashChance: share(0.4, 0.1),
    },
    faultsEndMs: draw.between(500, 4000),
  }
}
