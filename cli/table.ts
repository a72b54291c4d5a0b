// Rows as a table without borders, so that it can be read, cut and grepped alike.
import type { Table } from 'cli-table3'
import type { Screen } from './world.ts'

export interface Column {
  readonly head: string
  readonly align?: 'right'
  /** Its cells are cut where the lines would be wider than the terminal. */
  readonly gives?: true
}

const GAP = 2
/** What is left of a cell at least, the gap included. */
const WIDTH_MIN = 8 + GAP

const NO_BORDERS = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'],
    ...['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((name) => [name, '']),
)

/**
 * @param widthMax  of a line, in columns of the terminal. Default: what the cells need.
 * @returns the lines, the heads first; no line ends in blanks.
 */
export async function tableText(
  screen: Pick<Screen, 'paint'>,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  widthMax = Infinity,
): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({
    head: columns.map(({ head }) => screen.paint('bold', head)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: NO_BORDERS,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': GAP },
  })
  for (const row of rows) table.push([...row])
  return fitted(table, columns, widthMax)
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

function fitted(table: Table, columns: readonly Column[], widthMax: number): string {
  const text = table.toString()
  const { colWidths } = table.options // as they were drawn
  const over = colWidths.reduce<number>((sum, width) => sum + (width ?? 0), -GAP) - widthMax
  const giving = columns.findIndex(({ gives }) => gives === true)
  const width = colWidths[giving]
  if (over <= 0 || typeof width !== 'number' || width <= WIDTH_MIN) return text
  colWidths[giving] = Math.max(WIDTH_MIN, width - over)
  return table.toString()
}
