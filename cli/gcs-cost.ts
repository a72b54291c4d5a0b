// What the GCS costs, against the budgets of the design: a list of lines from what each node says
// of the units that DynamoDB told it. Pure.
// Source: design 8.
import { numberOf, textOf, type Row } from './raylet-client.ts'

export interface CostLine {
  readonly what: string
  /** What its budget counts by. */
  readonly per: '1,000 tasks' | 'actor call' | 'large object' | 'node-second' | 'node'
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

type Counts = Omit<GcsCost, 'lines'> & { readonly lives: number }

interface Part {
  readonly what: string
  readonly per: CostLine['per']
  readonly budget?: number
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
    holds: ({ kind, call }) => kind === 'N' && call !== 'putIf',
    // One that drains says so at once.
    slack: ({ nodes }) => nodes,
  },
  {
    ...{ what: 'registration of nodes', per: 'node' },
    holds: ({ kind }) => kind === 'N' || kind === 'M',
  },
  { ...{ what: 'jobs, actors, names, groups', per: '1,000 tasks' }, holds: () => true },
]

/** @param units  rows of the kind gcsCost, of every node. */
export function gcsCost(units: readonly Row[], work: Work): GcsCost {
  const { lives, ...counts } = countsOf(units, work)
  const partOf = (row: Row): Part | undefined =>
    PARTS.find(({ holds }) =>
      holds({
        ...{ table: textOf(row, 'table'), kind: textOf(row, 'kind') },
        call: textOf(row, 'call'),
      }),
    )
  const lines = PARTS.map((part) =>
    lineOf(
      part,
      units.filter((row) => partOf(row) === part),
      { lives, ...counts },
    ),
  )
  return { ...counts, lines }
}

function lineOf(part: Part, rows: readonly Row[], counts: Counts): CostLine {
  const { what, per, budget } = part
  const writeUnitsTotal = sumOf(rows, 'writeUnits')
  const counted = part.counted?.(writeUnitsTotal, sumOf(rows, 'calls'), counts) ?? writeUnitsTotal
  const divisor = divisorOf(per, counts)
  const writeUnits = divisor === 0 ? 0 : counted / divisor
  const slack = part.slack?.(counts) ?? 0
  const isPassed = budget !== undefined && divisor > 0 && counted > budget * divisor + slack
  const readUnitsTotal = sumOf(rows, 'readUnits')
  return { what, per, writeUnits, writeUnitsTotal, readUnitsTotal, budget, isPassed }
}

function divisorOf(per: CostLine['per'], counts: Counts): number {
  switch (per) {
    case '1,000 tasks':
      return counts.tasks / 1000
    case 'actor call':
      return counts.calls
    case 'large object':
      return counts.largeObjects
    case 'node-second':
      return counts.nodeSeconds
    case 'node':
      return counts.nodes
  }
}

function countsOf(units: readonly Row[], { summary, actors, nodes }: Work): Counts {
  const seconds = new Map(units.map((row) => [textOf(row, 'nodeId'), numberOf(row, 'seconds')]))
  const ended = (kind: string): number => {
    const rows = summary.filter((row) => textOf(row, 'kind') === kind)
    return sumOf(rows, 'done') + sumOf(rows, 'failed')
  }
  // What a node held is deleted when it holds it no more.
  const left = units.filter(
    (row) => textOf(row, 'kind') === 'H' && textOf(row, 'call') === 'delete',
  )
  return {
    tasks: ended('task'),
    calls: ended('actor'),
    largeObjects: nodes.reduce((sum, row) => sum + objectsMade(row), 0),
    nodes: seconds.size,
    nodeSeconds: [...seconds.values()].reduce((sum, each) => sum + each, 0),
    lives: sumOf(left, 'calls') + actors.length + sumOf(actors, 'incarnation'),
  }
}

function objectsMade({ store }: Row): number {
  const { totals } = (store ?? {}) as { readonly totals?: Row }
  return totals === undefined ? 0 : numberOf(totals, 'createdCount')
}

const sumOf = (rows: readonly Row[], key: string): number =>
  rows.reduce((total, row) => total + numberOf(row, key), 0)
