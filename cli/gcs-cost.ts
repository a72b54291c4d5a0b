// What the GCS costs, against the budgets of the design: a list of lines from what each node says
// of the units that DynamoDB told it. Pure.
// Source: design 8.
import { numberOf, textOf, type Row } from './raylet-client.ts'

export interface CostLine {
  readonly what: string
  /** As its budget counts: per 1,000 tasks, or per node and second. */
  readonly per: '1,000 tasks' | 'node-second'
  readonly writeUnits: number
  /** Of all time and nodes. */
  readonly writeUnitsTotal: number
  readonly readUnitsTotal: number
  /** Write units; undefined: it has none. */
  readonly budget: number | undefined
}

export interface GcsCost {
  readonly tasks: number
  readonly nodes: number
  readonly nodeSeconds: number
  readonly lines: readonly CostLine[]
}

interface Part {
  readonly what: string
  readonly per: CostLine['per']
  readonly budget: number | undefined
  readonly holds: (row: { table: string; kind: string; call: string }) => boolean
}

/** Each row is of the first part that holds it. */
const PARTS: readonly Part[] = [
  {
    ...{ what: 'lineage of tasks', per: '1,000 tasks', budget: 1 },
    holds: ({ table }) => table === 'lineage',
  },
  {
    ...{ what: 'heartbeats of nodes', per: 'node-second', budget: 0.25 },
    // A node registers once, by a put.
    holds: ({ table, kind, call }) => table === 'cluster' && kind === 'N' && call !== 'putIf',
  },
  {
    ...{ what: 'places of large objects', per: '1,000 tasks', budget: undefined },
    holds: ({ table }) => table === 'locations',
  },
  {
    ...{ what: 'jobs, actors, names, joining', per: '1,000 tasks', budget: undefined },
    holds: () => true,
  },
]

/**
 * @param units  rows of the kind gcsCost, of every node.
 * @param tasks  that have ended.
 */
export function gcsCost(units: readonly Row[], tasks: number): GcsCost {
  const seconds = new Map(units.map((row) => [textOf(row, 'nodeId'), numberOf(row, 'seconds')]))
  const nodeSeconds = [...seconds.values()].reduce((sum, each) => sum + each, 0)
  const partOf = (row: Row): Part | undefined =>
    PARTS.find(({ holds }) =>
      holds({
        ...{ table: textOf(row, 'table'), kind: textOf(row, 'kind') },
        call: textOf(row, 'call'),
      }),
    )
  const lines = PARTS.map((part): CostLine => {
    const { what, per, budget } = part
    const rows = units.filter((row) => partOf(row) === part)
    const sum = (key: string): number => rows.reduce((total, row) => total + numberOf(row, key), 0)
    const writeUnitsTotal = sum('writeUnits')
    const divisor = per === 'node-second' ? nodeSeconds : tasks / 1000
    const writeUnits = divisor === 0 ? 0 : writeUnitsTotal / divisor
    return { what, per, writeUnits, writeUnitsTotal, readUnitsTotal: sum('readUnits'), budget }
  })
  return { tasks, nodes: seconds.size, nodeSeconds, lines }
}
