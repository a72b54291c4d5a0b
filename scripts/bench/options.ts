// The options of `npm run bench -- …`.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ColumnName, WITH } from './columns.ts'
import { ROWS, type Row } from './rows.ts'

export interface BenchOptions {
  readonly rows: readonly Row[]
  readonly wanted: ReadonlySet<ColumnName>
  readonly seconds: number
  /** Every row is also measured on a cluster of so many nodes of this machine; 1: not. */
  readonly nodes: number
  readonly jsonPath: string | undefined
  /** Rows that the file at `jsonPath` has are not measured again. */
  readonly resume: boolean
  /** Also write the chart and the section of the README. */
  readonly publish: boolean
  /** Measure what CI holds against the published ratios, and nothing else. */
  readonly gate: boolean
}

/** With Ray, all rows take about twenty minutes. */
const SECONDS_DEFAULT = 0.7
/** As of virga start. */
const NODES_MAX = 64
export const RESULTS = join(import.meta.dirname, '../../bench/results')
export const PUBLISHED = join(RESULTS, 'bench.json')

export const USAGE = `npm run bench -- [options]
  --json FILE      also write the results as JSON, after every row; a file of the same machine and
                   commit keeps its other rows
  --resume         do not measure again what that file has, unless something failed in the row
  --only PATTERN   only rows whose name matches this regular expression
  --seconds N      length of a round (${SECONDS_DEFAULT}); a row has four, a heavy row two
  --with LIST      columns beside Virga, by comma: ${Object.keys(WITH).join(',')} (all), or none
  --nodes N        also in a cluster of N nodes of this machine, beside the one node; says how much
                   of one node's figure each row has there, and which floors it then misses
  --publish        as --resume --json bench/results/bench.json, and write the chart and the README
  --gate           two minutes: fails when a row falls under half of its published ratio
  --help           this text
`

/** @throws Error that says what to give instead. */
export function parseBenchOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'string' },
      resume: { type: 'boolean', default: false },
      only: { type: 'string' },
      seconds: { type: 'string', default: String(SECONDS_DEFAULT) },
      with: { type: 'string', default: Object.keys(WITH).join(',') },
      nodes: { type: 'string', default: '1' },
      publish: { type: 'boolean', default: false },
      gate: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const seconds = Number(values.seconds)
  if (!(seconds > 0)) throw new Error(`--seconds takes a number above 0, not '${values.seconds}'.`)
  const pattern = new RegExp(values.only ?? '', 'i')
  const rows = ROWS.filter(({ name }) => pattern.test(name))
  if (rows.length === 0) {
    const names = ROWS.map(({ name }) => name).join(', ')
    throw new Error(`--only '${values.only ?? ''}' matches no row. The rows: ${names}.`)
  }
  const { publish, gate } = values
  const nodes = nodesOf(values.nodes, publish)
  return {
    rows,
    wanted: columnsOf(values.with),
    seconds,
    nodes,
    jsonPath: values.json ?? (publish ? PUBLISHED : undefined),
    resume: values.resume || publish,
    publish,
    gate,
  }
}

function nodesOf(text: string, publish: boolean): number {
  const nodes = Number(text)
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > NODES_MAX) {
    throw new Error(`--nodes takes a number from 1 to ${NODES_MAX}, not '${text}'.`)
  }
  if (nodes > 1 && publish) throw new Error('--publish is of one node: leave --nodes out.')
  return nodes
}

function columnsOf(list: string): Set<ColumnName> {
  const names = list === 'none' ? [] : list.split(',')
  return new Set(
    names.flatMap((name) => {
      const columns = WITH[name]
      if (columns !== undefined) return columns
      throw new Error(`--with takes ${Object.keys(WITH).join(', ')} or none, not '${name}'.`)
    }),
  )
}
