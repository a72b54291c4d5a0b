// What the GCS costs, against the budgets of the design: a list of lines from what each node says
// of the units that DynamoDB told it. Pure.
// Budgets in units are the design's. Where rows are as large as a program makes them, as those of
// actors are, the budget is how often they are written, in units of their mean size.
// Source: design 8; DECISIONS D174, D224.
import { numberOf, textOf, type Row } from './raylet-client.ts'

const PER = {
  '1,000 tasks': ({ tasks }) => tasks / 1000,
  'actor call': ({ calls }) => calls,
  'large object': ({ largeObjects }) => largeObjects,
  'node-second': ({ nodeSeconds }) => nodeSeconds,
  node: ({ nodes }) => nodes,
  job: ({ jobs }) => jobs,
  'life of an actor': ({ lives }) => lives,
  'placement group': ({ groups }) => groups,
  'adopted owner': ({ adoptions }) => adoptions,
} satisfies Readonly<Record<string, (counts: Counts) => number>>
type Per = keyof typeof PER

export interface CostLine {
  readonly what: string
  /** What its budget counts by. */
  readonly per: Per
  readonly writeUnits: number
  /** Of all time and nodes. */
  readonly writeUnitsTotal: number
  readonly readUnitsTotal: number
  /** Write units; undefined: it has none. */
  readonly budget: number | undefined
  readonly isPassed: boolean
}

/** What the cluster did for its units: rows of its state, of the nodes that live. */
export interface Work {
  /** By function: `kind`, `done`, `failed`. */
  readonly summary: readonly Row[]
  readonly actors: readonly Row[]
  /** With the totals of their stores. */
  readonly nodes: readonly Row[]
  readonly jobs: readonly Row[]
  readonly groups: readonly Row[]
}

export interface GcsCost {
  /** That have ended. */
  readonly tasks: number
  readonly calls: number
  /** Made in a store, or fetched into one. */
  readonly largeObjects: number
  readonly nodes: number
  readonly nodeSeconds: number
  readonly lines: readonly CostLine[]
}

interface Counts extends Omit<GcsCost, 'lines'> {
  readonly jobs: number
  /** Of actors. */
  readonly lives: number
  readonly groups: number
  readonly deadNodes: number
  readonly adoptions: number
}

interface Part {
  readonly what: string
  readonly per: Per
  readonly budget?: number
  /** Instead: how often what it is for may be written. */
  readonly writes?: (counts: Counts) => number
  readonly holds: (row: { table: string; kind: string; call: string }) => boolean
  /** Of its units, those that the budget is for. Default: all. */
  readonly counted?: (units: number, writes: number, counts: Counts) => number
  /** Units beyond the budget that pass nothing. Default: none. */
  readonly slack?: (counts: Counts) => number
}

/** Who lives, is to live again or has lost a race to do so is written once each. */
const WRITES_PER_LIFE = 4
/** A second's tasks are one segment, however few they are: fewer tasks than this say nothing. */
const TASKS_MIN = 1_000

/** A list of nodes, an offer that was refused, a lost race: nothing that grows. */
const WRITES_SLACK = 10

/** Each row is of the first part that holds it. */
const PARTS: readonly Part[] = [
  {
    ...{ what: 'lineage of tasks', per: '1,000 tasks', budget: 1 },
    holds: ({ table }) => table === 'lineage',
    slack: ({ tasks }) => (tasks < TASKS_MIN ? Infinity : 0),
  },
  {
    // An actor's row is written when a life of it begins or ends: the rest would be its calls'.
    ...{ what: 'calls of actors', per: 'actor call', budget: 0 },
    holds: ({ kind, call }) => kind === 'A' && call === 'update',
    counted: (units, writes, { lives }) =>
      writes === 0 ? 0 : (units * Math.max(0, writes - WRITES_PER_LIFE * lives)) / writes,
  },
  {
    ...{ what: 'places of large objects', per: 'large object', budget: 2 },
    holds: ({ table }) => table === 'locations',
  },
  {
    ...{ what: 'heartbeats of nodes', per: 'node-second', budget: 0.25 },
    // A node registers once, by a put.
    holds: ({ kind, call }) => kind === 'N' && call !== 'putIf' && call !== 'append',
    // One that drains says so at once.
    slack: ({ nodes }) => nodes,
  },
  {
    ...{ what: 'registration of nodes', per: 'node' },
    holds: ({ kind }) => kind === 'N' || kind === 'M',
  },
  {
    // What its node holds is written, and deleted.
    ...{ what: 'jobs', per: 'job', writes: () => 2 },
    holds: ({ kind }) => kind === 'HD',
  },
  {
    // Held, registered, unnamed, dead, held no more; held by the node to which it is offered, and
    // no more by the other. A name is written in the same transactions.
    ...{ what: 'actors and names', per: 'life of an actor' },
    writes: ({ nodes }) => (nodes > 1 ? 7 : 5),
    holds: ({ kind }) => kind === 'A' || kind === 'H' || kind === 'NAME',
  },
  {
    // Registered, reserved, removed; with each node that died it may be taken over, lose bundles
    // and be reserved again.
    ...{ what: 'placement groups', per: 'placement group' },
    writes: ({ deadNodes }) => 3 + 3 * deadNodes,
    holds: ({ kind }) => kind === 'P',
  },
  {
    // Held, adopted, and the reverse of both.
    ...{ what: 'adopted owners', per: 'adopted owner', writes: () => 4 },
    holds: ({ kind }) => kind === 'O' || kind === 'HO',
  },
  // Nothing else writes.
  { ...{ what: 'all else', per: 'node-second', budget: 0 }, holds: () => true },
]

/** @param units  rows of the kind gcsCost, of every node. */
export function gcsCost(units: readonly Row[], work: Work): GcsCost {
  const counts = countsOf(units, work)
  const partOf = (row: Row): Part | undefined =>
    PARTS.find(({ holds }) =>
      holds({
        ...{ table: textOf(row, 'table'), kind: textOf(row, 'kind') },
        call: textOf(row, 'call'),
      }),
    )
  const { tasks, calls, largeObjects, nodes, nodeSeconds } = counts
  const lines = PARTS.map((part) =>
    lineOf(
      part,
      units.filter((row) => partOf(row) === part),
      counts,
    ),
  )
  return { tasks, calls, largeObjects, nodes, nodeSeconds, lines }
}

function lineOf(part: Part, rows: readonly Row[], counts: Counts): CostLine {
  const { what, per } = part
  const writeUnitsTotal = sumOf(rows, 'writeUnits')
  const counted = part.counted?.(writeUnitsTotal, sumOf(rows, 'calls'), counts) ?? writeUnitsTotal
  const divisor = PER[per](counts)
  const writeUnits = divisor === 0 ? 0 : counted / divisor
  const { budget, slack } = budgetOf(part, rows, counts)
  const isCounted = divisor > 0 || part.writes !== undefined
  const isPassed = budget !== undefined && isCounted && counted > budget * divisor + slack
  const readUnitsTotal = sumOf(rows, 'readUnits')
  return { what, per, writeUnits, writeUnitsTotal, readUnitsTotal, budget, isPassed }
}

function budgetOf(
  { budget, slack, writes }: Part,
  rows: readonly Row[],
  counts: Counts,
): { readonly budget: number | undefined; readonly slack: number } {
  if (writes === undefined) return { budget, slack: slack?.(counts) ?? 0 }
  const written = rows.filter((row) => numberOf(row, 'writeUnits') > 0)
  const calls = sumOf(written, 'calls')
  const unitsEach = calls === 0 ? 1 : sumOf(written, 'writeUnits') / calls
  return { budget: writes(counts) * unitsEach, slack: WRITES_SLACK * unitsEach }
}

function countsOf(units: readonly Row[], work: Work): Counts {
  const { summary, actors, nodes } = work
  const seconds = new Map(units.map((row) => [textOf(row, 'nodeId'), numberOf(row, 'seconds')]))
  const ended = (kind: string): number => {
    const rows = summary.filter((row) => textOf(row, 'kind') === kind)
    return sumOf(rows, 'done') + sumOf(rows, 'failed')
  }
  const callsOf = (kind: string, call: string): number =>
    sumOf(
      units.filter((row) => textOf(row, 'kind') === kind && textOf(row, 'call') === call),
      'calls',
    )
  const running = work.jobs.filter((row) => textOf(row, 'state') === 'RUNNING')
  return {
    tasks: ended('task'),
    calls: ended('actor'),
    largeObjects: nodes.reduce((sum, row) => sum + objectsMade(row), 0),
    nodes: seconds.size,
    nodeSeconds: [...seconds.values()].reduce((sum, each) => sum + each, 0),
    // What a node held is deleted when it holds it no more; ended jobs are not all listed.
    jobs: Math.max(work.jobs.length, running.length + callsOf('HD', 'delete')),
    lives: callsOf('H', 'delete') + actors.length + sumOf(actors, 'incarnation'),
    // Those that were removed are listed nowhere.
    groups: Math.max(work.groups.length, callsOf('P', 'putIf')),
    deadNodes: nodes.filter((row) => textOf(row, 'state') === 'DEAD').length,
    adoptions: callsOf('O', 'putIf'),
  }
}

function objectsMade({ store }: Row): number {
  const { totals } = (store ?? {}) as { readonly totals?: Row }
  return totals === undefined ? 0 : numberOf(totals, 'createdCount')
}

const sumOf = (rows: readonly Row[], key: string): number =>
  rows.reduce((total, row) => total + numberOf(row, key), 0)
