// The rows of the bench: what each measures, in which unit, and the floor it is held to.
// A contender knows a workload by its name; names and workloads are Ray's where Ray has the row.
// Source: Ray ray_perf.py, test_single_node.py; the floors are those of design.md 12.

export interface Row {
  readonly name: string
  readonly unit: string
  /**
   * rate: repeated, units per second. period: repeated, the time of one run, in `unit`.
   * sample: the contender measures itself once per round. polling: how much of its rate Virga keeps
   * with busy polling, of that without.
   */
  readonly measure: 'rate' | 'period' | 'sample' | 'polling'
  readonly better: 'higher' | 'lower'
  /** What a contender runs. Default: the row's name. Rows of one workload are measured at once. */
  readonly workload?: string
  /** Which of the workload's values it is. Default: `value`. */
  readonly part?: string
  /** Runs for seconds on its own in some column: fewer rounds. */
  readonly heavy?: boolean
  /** More processes than cores run it, and rest while the others run: warmed for as much longer,
   *  and once more ahead of each round. */
  readonly several?: boolean
  /** Contenders run it one after the other, because two at once would not fit into the machine. */
  readonly alone?: boolean
  /** Another process that never sleeps runs meanwhile. */
  readonly neighbour?: boolean
  readonly floor?: Floor
  /** What a reader must know to read it right. */
  readonly notes?: readonly string[]
}

/** What a row must reach; ratios are of one run on one machine. */
export interface Floor {
  readonly toRay?: number
  readonly toEcho?: number
  readonly toMemcpy?: number
  /** In the row's unit: at least, or at most where lower is better. */
  readonly absolute?: number
}

export const ROUNDS = 4
export const HEAVY_ROUNDS = 2

const OWN_TABLE = 'Virga answers a get of what the driver has already from its own table.'
const CLIENT = "Ray's client goes through its ray:// proxy, Virga's is a driver on the same node."
const FEW_SAMPLES =
  'Ray has so few samples in a round that this is the slowest of them, or about that.'
const AWAKE =
  'May be better than without the neighbour: while that never sleeps, no core has to be woken.'
const SHARED_PAGES =
  'RSS counts a page in every process that maps it, so the code of Node once per process; PSS divides it among them.'

const TICKS =
  'The kernel counts hundredths of a second, each process apart: 0 is less than a tick, the next row.'
const ZEROS =
  'Both use zeros. Numpy asks the kernel for huge pages, of which it has one of zeros that lies in the cache of the CPU; Node does not, and the 2.4 million page faults of the program itself are measured as well.'

const SEVERAL: Partial<Row> = { heavy: true, several: true }

export const ROWS: readonly Row[] = [
  rate('single client get calls', 'gets/s', { toRay: 50 }, { notes: [OWN_TABLE] }),
  rate('single client put calls', 'puts/s', { toRay: 50 }),
  rate('multi client put calls', 'puts/s'),
  rate('single client put gigabytes', 'GB/s', { toRay: 5, toMemcpy: 0.7 }),
  rate('multi client put gigabytes', 'GB/s', {}, { heavy: true }),
  ...['8 MB', '80 MB', '800 MB'].map((size) =>
    period(`single client get ${size}`, 'µs', { absolute: 50 }),
  ),
  rate('single client tasks and get batch', 'batches/s'),
  rate('single client get object containing 10k refs', 'gets/s', { toRay: 30 }),
  rate('single client wait 1k refs', 'rounds/s', { toRay: 30 }),
  rate('single client tasks sync', 'tasks/s', { toRay: 15, toEcho: 0.9 }),
  rate('single client tasks async', 'tasks/s', { toRay: 100, toEcho: 1 }),
  rate('multi client tasks async', 'tasks/s', { toRay: 25, toEcho: 1 }, SEVERAL),
  rate('1:1 actor calls sync', 'calls/s', { toRay: 8, toEcho: 0.9 }),
  rate('1:1 actor calls async', 'calls/s', { toRay: 40, toEcho: 1 }),
  rate('1:1 actor calls concurrent', 'calls/s'),
  rate('1:n actor calls async', 'calls/s'),
  rate('n:n actor calls async', 'calls/s', { toRay: 15, toEcho: 1 }, SEVERAL),
  rate('n:n actor calls with arg async', 'calls/s'),
  rate('1:1 async-actor calls sync', 'calls/s'),
  rate('1:1 async-actor calls async', 'calls/s'),
  rate('1:1 async-actor calls with args async', 'calls/s'),
  rate('1:n async-actor calls async', 'calls/s'),
  rate('n:n async-actor calls async', 'calls/s', {}, SEVERAL),
  rate('placement group create/removal', 'groups/s', { toRay: 15 }),
  client('get calls', 'gets/s', { notes: [CLIENT, OWN_TABLE] }),
  client('put calls', 'puts/s'),
  client('put gigabytes', 'GB/s', { heavy: true }),
  client('tasks and put batch', 'puts/s'),
  client('tasks and get batch', 'batches/s'),
  client('1:1 actor calls sync', 'calls/s'),
  client('1:1 actor calls async', 'calls/s'),
  client('1:1 actor calls concurrent', 'calls/s'),

  period('10,000 arguments', 's', { toRay: 30 }, { heavy: true }),
  period('3,000 returns', 's', { toRay: 30 }, { heavy: true }),
  period('10,000-ref get', 's', { toRay: 30 }, { heavy: true }),
  {
    ...rate('1,000,000 queued tasks', 'tasks/s', { toRay: 30 }),
    measure: 'sample',
    heavy: true,
    notes: ['Ray queues 20,000: a million would take it many minutes, and fewer are no harder.'],
  },
  queued('heap per queued task', 'heap', { absolute: 512 }),
  queued('memory per queued task', 'rss', {}, 'Resident, with what V8 keeps in reserve.'),
  queued('heap kept after the queued tasks', 'kept', { absolute: 8 }),
  { ...period('10 GB object', 's', {}, { heavy: true, notes: [ZEROS] }), alone: true },

  ...quantiles('latency of a task', 'latency of a task'),
  ...quantiles('latency of a task behind 100', 'latency of a task behind 100'),
  ...quantiles('latency of an actor call', 'latency of an actor call'),
  ...quantiles('latency of a task, busy machine', 'latency of a task', true),
  ...quantiles('latency behind 100, busy machine', 'latency of a task behind 100', true),
  ...quantiles('latency of a call, busy machine', 'latency of an actor call', true),
  ...['single client tasks sync', 'single client tasks async', '1:1 actor calls sync'].map(
    (workload): Row => ({
      name: `${workload}, busy machine, polling`,
      unit: 'of without',
      measure: 'polling',
      better: 'higher',
      workload,
      neighbour: true,
      floor: { absolute: 0.6 },
      notes: [
        'What busy polling leaves of the rate without it while another process never sleeps.',
      ],
    }),
  ),

  { ...sample('init() to first result', 'ms', { toRay: 10, absolute: 250 }), alone: true },
  { ...idle('idle cluster CPU', '% of a core', 'cpu', { absolute: 0.5 }), notes: [TICKS] },
  idle('idle cluster CPU, a tick of it', '% of a core', 'cpuTick'),
  idle('idle cluster RSS', 'MB', 'rss'),
  idle('idle cluster PSS', 'MB', 'pss'),
  idle('idle worker RSS', 'MB', 'workerRss', { absolute: 50 }),
  idle('idle worker PSS', 'MB', 'workerPss'),
]

export const workloadOf = (row: Row): string => row.workload ?? row.name
export const partOf = (row: Row): string => row.part ?? 'value'

/** Rows that one run of their workload measures together, in the order of the rows. */
export function measuredTogether(rows: readonly Row[]): Row[][] {
  const groups = Map.groupBy(rows, (row) =>
    [workloadOf(row), row.measure, row.neighbour === true].join(' '),
  )
  return [...groups.values()]
}

/** How many of `unit` a second has, for rows that are times. */
const PER_SECOND: Readonly<Record<string, number>> = { s: 1, ms: 1e3, µs: 1e6 }

/** What a contender answered, in the row's unit. */
export function inUnit(row: Row, answered: number): number {
  return row.measure === 'period' ? (PER_SECOND[row.unit] ?? 1) / answered : answered
}

/** How many times better than `other` a value is: above 1 is faster, or smaller. */
export function ratio(row: Pick<Row, 'better'>, value: number, other: number): number {
  return row.better === 'higher' ? value / other : other / value
}

function rate(name: string, unit: string, floor: Floor = {}, more: Partial<Row> = {}): Row {
  return { name, unit, measure: 'rate', better: 'higher', floor, ...more }
}

function client(name: string, unit: string, more: Partial<Row> = {}): Row {
  return rate(`client: ${name}`, unit, {}, { notes: [CLIENT], ...more })
}

function period(name: string, unit: string, floor: Floor, more: Partial<Row> = {}): Row {
  return { name, unit, measure: 'period', better: 'lower', floor, ...more }
}

function sample(name: string, unit: string, floor: Floor, part = 'value'): Row {
  return { name, unit, measure: 'sample', better: 'lower', floor, part }
}

function queued(name: string, part: string, floor: Floor, note?: string): Row {
  const row = { ...sample(name, 'B', floor, part), workload: '1,000,000 queued tasks', heavy: true }
  return note === undefined ? row : { ...row, notes: [note] }
}

function quantiles(name: string, workload: string, neighbour = false): Row[] {
  // Behind 100 others a round has a hundredth of the samples.
  const fewFrom = workload.endsWith('behind 100') ? ['p99', 'p99.9'] : ['p99.9']
  return ['p50', 'p99', 'p99.9'].map((part) => {
    const row = { ...sample(`${name}, ${part}`, 'µs', {}, part), workload, neighbour }
    if (fewFrom.includes(part)) return { ...row, notes: [FEW_SAMPLES] }
    return neighbour && part === 'p50' ? { ...row, notes: [AWAKE] } : row
  })
}

function idle(name: string, unit: string, part: string, floor: Floor = {}): Row {
  const row = { ...sample(name, unit, floor, part), workload: 'idle cluster', alone: true }
  return unit === 'MB' ? { ...row, heavy: true, notes: [SHARED_PAGES] } : { ...row, heavy: true }
}
