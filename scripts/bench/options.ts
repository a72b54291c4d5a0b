// The options of `npm run bench -- …`.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { amountOf, rowsOf, wholeNumberOf } from './arguments.ts'
import { type ColumnName, WITH } from './columns.ts'
import type { Row } from './rows.ts'

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
const NODES = { least: 1, most: 64 }
export const RESULTS = join(import.meta.dirname, '../../bench/results')
export const PUBLISHED = join(RESULTS, 'bench.json')

export const USAGE = `npm run bench -- [options]
  --json FILE      also write the results as JSON, after every row; a file of the same machine and
                   commit keeps its other rows
  --resume         do not measure again what that file has with these columns, in rounds as long,
                   unless something failed in the row or the tree differs from its commit
  --only PATTERN   only rows whose name matches this regular expression
  --seconds N      length of a round (${SECONDS_DEFAULT}); a row has four, a heavy row two
  --with LIST      columns beside Virga, by comma: ${Object.keys(WITH).join(',')} (all), or none
  --nodes N        also in a cluster of N nodes of this machine, beside the one node; says how much
                   of one node's figure each row has there, and which floors it then misses
  --publish        as --resume --json bench/results/bench.json, and write the chart and the README
  --gate           two minutes: fails when a row falls under half of its published ratio; takes
                   --seconds, and nothing else
  --help           this text
`

/** @throws Error that says what to give instead. */
export function parseBenchOptions(args: readonly string[]): BenchOptions | 'help' {
  const { values, tokens } = parseArgs({
    args: [...args],
    tokens: true,
    options: {
      json: { type: 'string' },
      resume: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      seconds: { type: 'string', default: String(SECONDS_DEFAULT) },
      with: { type: 'string', default: Object.keys(WITH).join(',') },
      nodes: { type: 'string', default: '1' },
      publish: { type: 'boolean', default: false },
      gate: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const { publish, gate } = values
  if (gate) refuseBesideGate(tokens.flatMap((token) => (token.kind === 'option' ? token.name : [])))
  const jsonPath = values.json ?? (publish ? PUBLISHED : undefined)
  if (values.resume && jsonPath === undefined) {
    throw new Error('--resume goes on with the file of --json: give that, too.')
  }
  const nodes = wholeNumberOf('--nodes', values.nodes, NODES)
  if (nodes > 1 && publish) throw new Error('--publish is of one node: leave --nodes out.')
  return {
    rows: rowsOf('--only', values.only),
    wanted: columnsOf(values.with),
    seconds: amountOf('--seconds', values.seconds),
    nodes,
    jsonPath,
    resume: values.resume || publish,
    publish,
    gate,
  }
}

/** What would be ignored is refused: who gives it expects something of it. */
function refuseBesideGate(given: readonly string[]): void {
  const others = given.filter((name) => !['gate', 'seconds'].includes(name))
  if (others.length === 0) return
  const names = others.map((name) => `--${name}`).join(', ')
  throw new Error(`--gate has its own rows and columns and writes nothing: leave ${names} out.`)
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
