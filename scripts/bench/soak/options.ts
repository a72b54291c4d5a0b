// The options of `npm run soak -- …`.
import { parseArgs } from 'node:util'
import { amountOf } from '../arguments.ts'
import { RESULTS } from '../options.ts'

export interface SoakOptions {
  readonly minutes: number
  /** Where the plot and the figures go. */
  readonly out: string
}

const MINUTES_DEFAULT = '30'

/** @throws Error that says what to give instead. */
export function parseSoakOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: MINUTES_DEFAULT },
      out: { type: 'string', default: RESULTS },
    },
  })
  return { minutes: amountOf('--minutes', values.minutes), out: values.out }
}
