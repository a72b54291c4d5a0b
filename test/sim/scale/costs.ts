// What the simulated machines take for what is not simulated, and what they cost. What was measured
// is CPU time of one process on one core of the development machine (AMD EPYC, Node 24) on 26 Nov
// 2026; the rest is assumed, and says so.

/** Assumed: one way between two nodes of a region, with what the kernels add. */
export const LINK_MS = 0.25
/** Assumed: from fork to hello of a worker, with as many beside it as there are CPUs. */
export const WORKER_START_MS = 100
/** Assumed: a raylet reads, decides on and sends what one message of a lease causes. */
export const RAYLET_MESSAGE_MS = 0.03
/** Measured: a driver dials a worker of another node, mutual TLS 1.3 and the hello. */
export const DIAL_MS = 1.37
/** Measured: a driver submits a task, pushes it and takes its reply, 262,000 a second. */
export const TASK_MS = 0.004

export interface Prices {
  readonly region: string
  readonly date: string
  /** Where the figures were read, and how far they are to be trusted. */
  readonly source: string
  readonly instanceType: string
  readonly instanceCpus: number
  readonly instanceUsdPerHour: number
  readonly writeUnitsUsdPerMillion: number
  readonly readUnitsUsdPerMillion: number
  readonly s3PutsUsdPerThousand: number
}

export const PRICES: Prices = {
  region: 'us-east-1, on demand, Linux',
  date: '2026-06',
  source:
    "pages of third parties, not AWS's own: EC2 is 32 times an m7g.large, DynamoDB from another; " +
    'the price of S3 is assumed',
  instanceType: 'm7g.16xlarge',
  instanceCpus: 64,
  instanceUsdPerHour: 2.6112,
  writeUnitsUsdPerMillion: 0.625,
  readUnitsUsdPerMillion: 0.125,
  s3PutsUsdPerThousand: 0.005,
}

/** Dollars per hour of what is used in a second. */
export function usdPerHour(usage: {
  readonly nodes: number
  readonly writeUnitsPerSecond: number
  readonly readUnitsPerSecond: number
  readonly s3PutsPerSecond: number
}): { readonly nodes: number; readonly gcs: number; readonly s3: number } {
  const { nodes, writeUnitsPerSecond, readUnitsPerSecond, s3PutsPerSecond } = usage
  const perHour = (perSecond: number, usd: number, of: number): number =>
    (perSecond * 3600 * usd) / of
  return {
    nodes: nodes * PRICES.instanceUsdPerHour,
    gcs:
      perHour(writeUnitsPerSecond, PRICES.writeUnitsUsdPerMillion, 1e6) +
      perHour(readUnitsPerSecond, PRICES.readUnitsUsdPerMillion, 1e6),
    s3: perHour(s3PutsPerSecond, PRICES.s3PutsUsdPerThousand, 1e3),
  }
}
