// The options of `npm run bench:compare -- …`.
import { parseArgs } from 'node:util'
import { amountOf, rowsOf, wholeNumberOf } from '../arguments.ts'
import { ROWS, type Row } from '../rows.ts'

export interface CompareOptions {
  /** Two revisions, A and B. */
  readonly revisions: readonly [string, string]
  readonly rows: readonly Row[]
  readonly pairs: number
  readonly seconds: number
}

const PATTERN_DEFAULT =
  '^(single client tasks a?sync|1:1 actor calls a?sync|n:n actor calls async|single client put calls)$'
const PAIRS = { least: 2, most: 1000 }
const USAGE =
  'npm run bench:compare -- A B [--only PATTERN] [--pairs N, at least 2] [--seconds N]: ' +
  'A and B are two revisions'

/** Rows of one column: that of polling is a ratio of two. */
const COMPARABLE = ROWS.filter(({ measure }) => measure !== 'polling')

/** @throws Error that says what to give instead. */
export function parseCompareOptions(args: readonly string[]): CompareOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string', default: PATTERN_DEFAULT },
      pairs: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '0.5' },
    },
  })
  const [a, b, ...others] = positionals
  if (a === undefined || b === undefined || others.length > 0) {
    throw new Error(`${USAGE}, not ${positionals.length}.`)
  }
  return {
    revisions: [a, b],
    rows: rowsOf('--only', values.only, COMPARABLE),
    pairs: wholeNumberOf('--pairs', values.pairs, PAIRS),
    seconds: amountOf('--seconds', values.seconds),
  }
}
