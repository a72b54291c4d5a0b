// Counters at every branch that injects a fault: a set of runs that leaves one at zero has not
// tested what it says. Source: FoundationDB CODE_PROBE.

const PROBES = [
  'a frame is late',
  'a worker dies before it says hello',
  'a worker is killed before it is up',
  'a worker is killed while it runs a task',
  'an idle worker is killed',
  'a worker dies after an effect, before its reply',
  'a worker dies right after its reply',
  'a process is paused',
  'a raylet is killed',
  'a driver is killed',
  'a link stalls',
  'the disk is full',
  'a write to the disk fails',
  'a spilled object is restored',
  'a storage call fails',
  'a storage call is executed and fails',
  'a storage call is lost',
  'the GCS is away',
] as const

/** Of fewer seeds, chance may leave a probe out. */
export const SEEDS_THAT_HIT_EVERY_PROBE = 200

export type Probe = (typeof PROBES)[number]

export class Probes {
  readonly counts = new Map<Probe, number>(PROBES.map((probe) => [probe, 0]))

  hit(probe: Probe): void {
    this.counts.set(probe, (this.counts.get(probe) ?? 0) + 1)
  }

  /** Takes the hits of another run as well. */
  add({ counts }: Probes): void {
    for (const [probe, count] of counts) {
      this.counts.set(probe, (this.counts.get(probe) ?? 0) + count)
    }
  }

  neverHit(): Probe[] {
    return PROBES.filter((probe) => this.counts.get(probe) === 0)
  }
}
