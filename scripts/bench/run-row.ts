// One row: every contender that has it, round by round in turn, so that what else the machine does
// meanwhile falls on all of them alike. Who goes first moves on with every round.
import type { Column, ColumnName } from './columns.ts'
import { type ContenderProcess, startContender } from './contender-process.ts'
import { inUnit, type Row } from './rows.ts'

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
  readonly samples: number[]
}

const ROUNDS = 4
const HEAVY_ROUNDS = 2

/** @param seconds how long a round is; a warm-up is half of one. */
export async function runRow(
  row: Row,
  columns: readonly Column[],
  seconds: number,
): Promise<RowResult> {
  const samples = new Map<ColumnName, readonly number[]>()
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
  for (const { name, command } of columns) {
    await attempt(name, async () => {
      const process = await startContender(command, row.name)
      if (process.missing) await process.end()
      else running.push({ column: name, process, samples: [] })
    })
  }
  const started = [...running]
  for (const { column, process } of started) {
    if (row.measure === 'sample') continue
    await attempt(column, async () => void (await process.ask('warm', row.heavy ? 0 : seconds / 2)))
  }
  const rounds = row.heavy === true ? HEAVY_ROUNDS : ROUNDS
  for (let round = 0; round < rounds; round += 1) {
    for (const each of rotated(running, round)) {
      await attempt(each.column, async () => {
        each.samples.push(inUnit(row, await each.process.ask('round', seconds)))
      })
    }
  }
  for (const { column, process } of started) await attempt(column, () => process.end())
  for (const each of running) samples.set(each.column, each.samples)
  return { row, samples, errors }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
