// Counters at every branch that injects a fault: a set of runs that leaves one at zero has not
// tested what it says. Source: FoundationDB CODE_PROBE.

/** Of a run of any kind. */
const EVERYWHERE = [
  'a frame is late',
  'a worker dies before it says hello',
  'a worker is killed before it is up',
  'a worker is killed while it runs a task',
  'an idle worker is killed',
  'a worker dies after an effect, before its reply',
  'a worker dies right after its reply',
  'a raylet is killed',
  'a driver is killed',
  'the disk is full',
  'a spilled object is restored',
  'a storage call fails',
  'a storage call is executed and fails',
  'a storage call is executed after it failed',
  'a storage call is lost',
  'the GCS is away',
] as const

const PROBES = [
  ...EVERYWHERE,
  'a process is paused',
  'a link stalls',
  'a write to the disk fails',
  'a spilled object is damaged',
] as const

/** Of a run of several nodes. */
export const NODES_PROBES = [
  ...EVERYWHERE,
  'a connection between nodes breaks',
  'two nodes are cut off from each other',
  'a link carries one way only',
  'the links of a node carry one way only',
  'a node is cut off from the GCS',
  'a node is cut off from the GCS and from one other',
  'a node is cut off from all others',
  'a partition of 5 s',
  'a machine loses its power',
  'a node is paused within its lease',
  'a node is paused past its lease',
  'a dead node starts anew',
  'a node that was declared dead wakes up',
  'a node is drained',
  'a node gets too little time',
  'a slow node is avoided',
  'most nodes are slow, and none is avoided',
  'the GCS is away for longer than a lease',
  'a task ran on another node',
  'a call of the bucket fails',
  'a call of the bucket is executed and fails',
  'a call of the bucket is executed after it failed',
  'a call of the bucket is lost',
  'the bucket is away',
] as const

/** Of a run of several nodes whose drivers do that beside tasks: what recovers there. */
export const PART_PROBES = {
  actors: ['an actor was started again on another node'],
  groups: ['a bundle was placed again'],
  orphans: ['an owner was adopted'],
  limiters: ['another node became the keeper of limiters'],
  durable: ['what was kept for a job is read'],
} as const

/** Of fewer seeds, chance may leave a probe out. */
export const SEEDS_THAT_HIT_EVERY_PROBE = 200

export type Probe =
  | (typeof PROBES)[number]
  | (typeof NODES_PROBES)[number]
  // So rare that 200 seeds of several nodes may leave it out.
  | 'spilled by another node, read'
  | (typeof PART_PROBES)[keyof typeof PART_PROBES][number]

export class Probes {
  readonly counts: Map<Probe, number>

  /** @param expected  those that a set of runs must hit. */
  constructor(expected: readonly Probe[] = PROBES) {
    this.counts = new Map(expected.map((probe) => [probe, 0]))
  }

  hit(probe: Probe): void {
    this.counts.set(probe, (this.counts.get(probe) ?? 0) + 1)
  }

  hasHit(probe: Probe): boolean {
    return (this.counts.get(probe) ?? 0) > 0
  }

  /** Takes the hits of another run as well. */
  add({ counts }: Probes): void {
    for (const [probe, count] of counts) {
      this.counts.set(probe, (this.counts.get(probe) ?? 0) + count)
    }
  }

  neverHit(): Probe[] {
    return [...this.counts].flatMap(([probe, count]) => (count === 0 ? [probe] : []))
  }
}
