// The rows of the bench: what each measures, in which unit, and the floor it is held to.
// A contender knows a row by its name; names and workloads are Ray's where Ray has the row.
// Source: Ray ray_perf.py, test_single_node.py; the floors are those of design.md 12.

export interface Row {
  readonly name: string
  readonly unit: string
  /**
   * rate: repeated, units per second. period: repeated, the time of one run, in `unit`.
   * sample: the contender measures itself once per round.
   */
  readonly measure: 'rate' | 'period' | 'sample'
  readonly better: 'higher' | 'lower'
  /** Runs for seconds on its own: fewer rounds, and no warm-up beyond one run. */
  readonly heavy?: boolean
  readonly floor?: Floor
}

/** What a row must reach; ratios are of one run on one machine. */
export interface Floor {
  readonly toRay?: number
  readonly toEcho?: number
  readonly toMemcpy?: number
  /** In the row's unit: at least, or at most where lower is better. */
  readonly absolute?: number
}

export const ROWS: readonly Row[] = [
  rate('single client get calls', 'gets/s', { toRay: 50 }),
  rate('single client put calls', 'puts/s', { toRay: 50 }),
  rate('single client put gigabytes', 'GB/s', { toRay: 5, toMemcpy: 0.7 }),
  period('single client get 800 MB', 'µs', { absolute: 50 }),
  rate('single client wait 1k refs', 'rounds/s', { toRay: 30 }),
  rate('single client tasks sync', 'tasks/s', { toRay: 15, toEcho: 0.9 }),
  rate('single client tasks async', 'tasks/s', { toRay: 100, toEcho: 1 }),
  rate('1:1 actor calls sync', 'calls/s', { toRay: 8, toEcho: 0.9 }),
  rate('1:1 actor calls async', 'calls/s', { toRay: 40, toEcho: 1 }),
  rate('placement group create/removal', 'groups/s', { toRay: 15 }),
  heavy(period('10,000 arguments', 's', { toRay: 30 })),
  heavy(period('3,000 returns', 's', { toRay: 30 })),
  heavy(period('10,000-ref get', 's', { toRay: 30 })),
  heavy(rate('1,000,000 queued tasks', 'tasks/s', { toRay: 30 })),
  heavy(sample('bytes per queued task', 'B', { absolute: 512 })),
  sample('init() to first result', 'ms', { toRay: 10, absolute: 250 }),
  heavy(sample('idle CPU', '% of a core', { absolute: 0.5 })),
  heavy(sample('idle worker RSS', 'MB', { absolute: 50 })),
]

/** How many of `unit` a second has, for rows that are times. */
const PER_SECOND: Readonly<Record<string, number>> = { s: 1, ms: 1e3, µs: 1e6 }

/** What a contender answered, in the row's unit. */
export function inUnit(row: Row, answered: number): number {
  return row.measure === 'period' ? (PER_SECOND[row.unit] ?? 1) / answered : answered
}

function rate(name: string, unit: string, floor: Floor): Row {
  return { name, unit, measure: 'rate', better: 'higher', floor }
}

function period(name: string, unit: string, floor: Floor): Row {
  return { name, unit, measure: 'period', better: 'lower', floor }
}

function sample(name: string, unit: string, floor: Floor): Row {
  return { name, unit, measure: 'sample', better: 'lower', floor }
}

function heavy(row: Row): Row {
  return { ...row, heavy: true }
}
