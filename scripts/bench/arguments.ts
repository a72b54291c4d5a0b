// What the scripts of the bench are given on their command lines. What cannot be is told in one
// line, without a stack, and ends with 2; so does whatever else keeps a script from its work.
import { ROWS, type Row } from './rows.ts'

/** A day in seconds, two months in minutes: who gives more has mistaken the unit. */
const AMOUNT_MAX = 86_400

export async function runScript(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  }
}

/** Of seconds or minutes. @throws Error that says what to give instead, as all below. */
export function amountOf(option: string, text: string): number {
  const amount = Number(text)
  if (amount > 0 && amount <= AMOUNT_MAX) return amount
  throw new Error(`${option} takes a number above 0, at most ${AMOUNT_MAX}, not '${text}'.`)
}

export function wholeNumberOf(
  option: string,
  text: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least && number <= most) return number
  throw new Error(`${option} takes a whole number from ${least} to ${most}, not '${text}'.`)
}

/** @returns the rows whose name matches a regular expression, at least one. */
export function rowsOf(option: string, text: string, rows: readonly Row[] = ROWS): Row[] {
  const pattern = patternOf(option, text)
  const found = rows.filter(({ name }) => pattern.test(name))
  if (found.length > 0) return found
  const names = rows.map(({ name }) => name).join(', ')
  throw new Error(`${option} '${text}' matches no row. The rows: ${names}.`)
}

function patternOf(option: string, text: string): RegExp {
  try {
    return new RegExp(text, 'i')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`${option} '${text}' is no regular expression: ${why}.`, { cause: error })
  }
}
