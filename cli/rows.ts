// Choosing among rows: filters, limits, ids; and showing values in a cell.
// Invariant: nothing is cut in silence. Whoever shows rows says how many there are, and how many
// the cluster no longer has.
import { didYouMean } from '../runtime/common/nearest-name.ts'
import { UsageError } from '../runtime/common/errors.ts'
import { countText } from './amounts.ts'
import type { Row, StateTable } from './raylet-client.ts'

export interface Chosen {
  readonly rows: readonly Row[]
  /** Rows that match, shown or not. */
  readonly matching: number
  /** Rows that the cluster has, whether they match or not. */
  readonly total: number
  /** Rows that the cluster no longer has. */
  readonly dropped: number
}

/** @param filters  `key=value` or `key!=value`; all of them must hold. */
export function choose(
  { rows, dropped }: StateTable,
  filters: readonly string[],
  limit: number,
): Chosen {
  const tests = filters.map((filter) => testOf(filter, rows))
  const matching = rows.filter((row) => tests.every((test) => test(row)))
  // The newest are last.
  const shown = limit < matching.length ? matching.slice(matching.length - limit) : matching
  return { rows: shown, matching: matching.length, total: rows.length, dropped }
}

function testOf(filter: string, rows: readonly Row[]): (row: Row) => boolean {
  const match = /^(\w+)(!?=)(.*)$/.exec(filter)
  const [, key = '', operator, wanted = ''] = match ?? []
  if (match === null) {
    throw new UsageError(
      `a filter is key=value or key!=value, such as state=FAILED; got '${filter}'`,
    )
  }
  const keys = Object.keys(rows[0] ?? {})
  if (keys.length > 0 && !keys.includes(key)) {
    throw new UsageError(`no row has a '${key}': say ${keys.join(', ')}${didYouMean(key, keys)}`)
  }
  return (row) => (cellText(row[key]) === wanted) === (operator === '=')
}

/** `100 of 2,500 tasks shown (--limit). 3,000 older ones are no longer kept.`; undefined: all. */
export function cutText(chosen: Chosen, noun: string): string | undefined {
  const { rows, matching, dropped } = chosen
  const texts: string[] = []
  if (rows.length < matching) {
    texts.push(
      `${countText(rows.length)} of ${countText(matching)} ${noun} shown; more with --limit.`,
    )
  }
  if (dropped > 0) texts.push(`${countText(dropped)} older ${noun} are no longer kept.`)
  return texts.length === 0 ? undefined : texts.join(' ')
}

/**
 * The row whose id is `id`, or starts with it; of several with the same id, the first.
 * @throws UsageError for none, or several ids.
 */
export function findById(rows: readonly Row[], idKey: string, id: string): Row {
  const found = rows.filter((row) => String(row[idKey]).startsWith(id))
  const ids = new Set(found.map((row) => row[idKey]))
  const exact = found.find((row) => row[idKey] === id) ?? (ids.size === 1 ? found[0] : undefined)
  if (exact !== undefined) return exact
  if (found.length === 0) {
    throw new UsageError(`no ${idKey} starts with '${id}'; virga list shows those there are`)
  }
  throw new UsageError(`${countText(ids.size)} ids start with '${id}': give more of it`)
}

export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return JSON.stringify(value)
}
