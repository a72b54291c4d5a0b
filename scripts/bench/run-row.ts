// Rows of one workload, on every column that has it.
import { type Column, type ColumnName, withoutPolling } from './columns.ts'
import { measureRounds, type RoundOptions, type Rounds, samplesOf } from './rounds.ts'
import { HEAVY_ROUNDS, partOf, type Row, ROUNDS } from './rows.ts'

export interface RowResult {
  readonly row: Row
  /** Each contender's rounds, in the row's unit. */
  readonly samples: ReadonlyMap<ColumnName, readonly number[]>
  /** What went wrong, by contender. */
  readonly errors: ReadonlyMap<ColumnName, string>
}

/**
 * @param rows of one workload, measured in one way
 * @param seconds how long a round is
 */
export async function runRows(
  rows: readonly Row[],
  columns: readonly Column[],
  seconds: number,
): Promise<RowResult[]> {
  const [first] = rows
  if (first === undefined) return []
  if (first.measure === 'polling') return await runPolling(first, columns, seconds)
  const { rounds, errors } = await measureRounds(first, columns, optionsOf(first, seconds))
  return rows.map((row) => resultOf(row, rounds, errors))
}

function resultOf(
  row: Row,
  rounds: Rounds<ColumnName>['rounds'],
  errors: Rounds<ColumnName>['errors'],
): RowResult {
  const samples = new Map(
    [...rounds].flatMap(([column, each]) => {
      const values = samplesOf(row, each)
      return values.length === 0 ? [] : [[column, values] as const]
    }),
  )
  const isPartMissing = rounds.has('virga') && !samples.has('virga')
  const own = new Map(isPartMissing ? [['virga', `no '${partOf(row)}' came back`] as const] : [])
  return { row, samples, errors: new Map([...errors, ...own]) }
}

/** Virga with busy polling beside Virga without, as the ratio of the two in each round. */
async function runPolling(
  row: Row,
  columns: readonly Column[],
  seconds: number,
): Promise<RowResult[]> {
  const virga = columns.filter(({ name }) => name === 'virga')
  const both = [...virga, ...virga.map(withoutPolling)]
  const { rounds, errors } = await measureRounds(row, both, optionsOf(row, seconds))
  const without = rounds.get('virgaWithoutPolling') ?? []
  const kept = (rounds.get('virga') ?? []).flatMap(({ value }, round) => {
    const other = without[round]?.['value']
    return value === undefined || other === undefined ? [] : [value / other]
  })
  return [{ row, samples: new Map([['virga', kept]]), errors }]
}

const optionsOf = (row: Row, seconds: number): RoundOptions => ({
  seconds,
  roundCount: row.heavy === true ? HEAVY_ROUNDS : ROUNDS,
})
