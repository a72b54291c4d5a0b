// Rows of one workload: every contender that has it, round by round in turn, so that what else the
// machine does meanwhile falls on all of them alike. Who goes first moves on with every round.
import { type Column, type ColumnName, withoutPolling } from './columns.ts'
import { type ContenderProcess, type Parts, startContender } from './contender-process.ts'
import { startNeighbour } from './neighbour.ts'
import { inUnit, type Row, workloadOf } from './rows.ts'

export interface RowResult {
  readonly row: Row
  /** Each contender's rounds, in the row's unit. */
  readonly samples: ReadonlyMap<ColumnName, readonly number[]>
  /** What went wrong, by contender. */
  readonly errors: ReadonlyMap<ColumnName, string>
}

interface Running {
  readonly column: ColumnName
  readonly process: ContenderProcess
  readonly rounds: Parts[]
}

interface Measured {
  readonly rounds: ReadonlyMap<ColumnName, readonly Parts[]>
  readonly errors: Map<ColumnName, string>
}

const ROUNDS = 4
/**
 * Source: Ray ray_microbenchmark_helpers.py (timeit). In less, V8 has not compiled what several
 * processes run, and the row tells of that.
 */
const WARM_SECONDS_MIN = 1
/** Six or seven processes on two cores: each has as long as one alone has in that. */
const WARM_SECONDS_OF_SEVERAL = 4
const HEAVY_ROUNDS = 2

/**
 * @param rows of one workload, measured in one way
 * @param seconds how long a round is; a warm-up is half of one, and a second at least.
 */
export async function runRows(
  rows: readonly Row[],
  columns: readonly Column[],
  seconds: number,
): Promise<RowResult[]> {
  const [first] = rows
  if (first === undefined) return []
  const neighbour = first.neighbour === true ? startNeighbour() : undefined
  try {
    if (first.measure === 'polling') return await runPolling(first, columns, seconds)
    const { rounds, errors } = await measure(first, columns, seconds)
    return rows.map((row) => ({ row, samples: samplesOf(row, rounds, errors), errors }))
  } finally {
    neighbour?.end()
  }
}

/** Virga with busy polling beside Virga without, as the ratio of the two in each round. */
async function runPolling(
  row: Row,
  columns: readonly Column[],
  seconds: number,
): Promise<RowResult[]> {
  const virga = columns.filter(({ name }) => name === 'virga')
  const { rounds, errors } = await measure(row, [...virga, ...virga.map(withoutPolling)], seconds)
  const without = rounds.get('virgaWithoutPolling') ?? []
  const kept = (rounds.get('virga') ?? []).flatMap(({ value }, round) => {
    const other = without[round]?.['value']
    return value === undefined || other === undefined ? [] : [value / other]
  })
  return [{ row, samples: new Map([['virga', kept]]), errors }]
}

function samplesOf(
  row: Row,
  rounds: Measured['rounds'],
  errors: Measured['errors'],
): Map<ColumnName, number[]> {
  const part = row.part ?? 'value'
  const samples = new Map<ColumnName, number[]>()
  for (const [column, each] of rounds) {
    const values = each.flatMap((parts) => parts[part] ?? [])
    if (values.length > 0)
      samples.set(
        column,
        values.map((value) => inUnit(row, value)),
      )
    else if (column === 'virga') errors.set(column, `no '${part}' came back`)
  }
  return samples
}

async function measure(row: Row, columns: readonly Column[], seconds: number): Promise<Measured> {
  if (row.alone !== true) return await measureTogether(row, columns, seconds)
  const rounds = new Map<ColumnName, readonly Parts[]>()
  const errors = new Map<ColumnName, string>()
  for (const column of columns) {
    const measured = await measureTogether(row, [column], seconds)
    for (const [name, each] of measured.rounds) rounds.set(name, each)
    for (const [name, text] of measured.errors) errors.set(name, text)
  }
  return { rounds, errors }
}

async function measureTogether(
  row: Row,
  columns: readonly Column[],
  seconds: number,
): Promise<Measured> {
  const errors = new Map<ColumnName, string>()
  let running: Running[] = []
  const attempt = async (column: ColumnName, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      errors.set(column, error instanceof Error ? error.message : String(error))
      running = running.filter((each) => each.column !== column)
    }
  }
  await Promise.all(
    columns.map(({ name, command }) =>
      attempt(name, async () => {
        const process = await startContender(command, workloadOf(row))
        if (process.missing === undefined) running.push({ column: name, process, rounds: [] })
        else await process.end()
      }),
    ),
  )
  const started = [...running]
  for (const { column, process } of started) {
    if (row.measure === 'sample') continue
    const least = row.several === true ? WARM_SECONDS_OF_SEVERAL : WARM_SECONDS_MIN
    const warmSeconds = Math.max(least, seconds / 2)
    await attempt(column, async () => void (await process.ask('warm', warmSeconds)))
  }
  const roundCount = row.heavy === true ? HEAVY_ROUNDS : ROUNDS
  for (let round = 0; round < roundCount; round += 1) {
    for (const each of rotated(running, round)) {
      await attempt(each.column, async () => {
        // Ray ends idle workers after a second, Virga some: its rounds would tell of their starts.
        if (row.several === true) await each.process.ask('warm', WARM_SECONDS_MIN)
        each.rounds.push(await each.process.ask('round', seconds))
      })
    }
  }
  await Promise.all(started.map(({ column, process }) => attempt(column, () => process.end())))
  return { rounds: new Map(running.map((each) => [each.column, each.rounds])), errors }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
