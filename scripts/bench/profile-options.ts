// The options of `npm run profile ROW -- …`.
import { parseArgs } from 'node:util'
import { amountOf, rowsOf, wholeNumberOf } from './arguments.ts'
import { ROWS, type Row } from './rows.ts'

export interface ProfileOptions {
  readonly row: Row
  readonly seconds: number
  /** How many functions are shown of each process. */
  readonly top: number
  readonly out: string | undefined
}

const TOP = { least: 1, most: 1000 }

/** @throws Error that says what to give instead. */
export function parseProfileOptions(args: readonly string[]): ProfileOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      top: { type: 'string', default: '25' },
      out: { type: 'string' },
    },
  })
  return {
    row: rowOf(positionals.join(' ')),
    seconds: amountOf('--seconds', values.seconds),
    top: wholeNumberOf('--top', values.top, TOP),
    out: values.out,
  }
}

/** The row of that name, or the first whose name matches. */
function rowOf(text: string): Row {
  const named = ROWS.find(({ name }) => name === text)
  const [row] = named === undefined ? rowsOf('npm run profile', text) : [named]
  if (row !== undefined && text !== '') return row
  throw new Error(`npm run profile ROW takes one of: ${ROWS.map(({ name }) => name).join(', ')}.`)
}
