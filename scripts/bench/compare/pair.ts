// One pair: fresh processes of both commits, in rows of one workload.
import { join } from 'node:path'
import { type Contestant, measureRounds, samplesOf } from '../rounds.ts'
import { ratio, type Row } from '../rows.ts'
import { mean } from '../statistics.ts'

export type Side = 'A' | 'B'
/** The folders that the commits were built in. */
export type Trees = Readonly<Record<Side, string>>

/** Who is first in one is second in the other (A B B A), so that a drift of the machine cancels out. */
const ROUNDS = 2

/**
 * @param rows of one workload, measured in one way
 * @param first of the two where they run one after the other, and to be started
 * @returns how many times better B was than A, row by row; undefined where
 *   nothing came back, or too little for the clock that it was measured with.
 * @throws Error when a commit has no such row, or fails in it.
 */
export async function comparePair(
  rows: readonly Row[],
  trees: Trees,
  { seconds, first }: { readonly seconds: number; readonly first: Side },
): Promise<(number | undefined)[]> {
  const [row] = rows
  if (row === undefined) return []
  const sides: Side[] = first === 'A' ? ['A', 'B'] : ['B', 'A']
  const { rounds, missing, errors } = await measureRounds(
    row,
    sides.map((side) => contestant(side, trees[side])),
    { seconds, roundCount: ROUNDS },
  )
  for (const [side, why] of [...missing, ...errors]) throw new Error(`${row.name}, ${side}: ${why}`)
  return rows.map((each) => {
    const meanOf = (side: Side): number => mean(samplesOf(each, rounds.get(side) ?? [])) ?? 0
    const times = ratio(each, meanOf('B'), meanOf('A'))
    return times > 0 && times < Infinity ? times : undefined
  })
}

function contestant(name: Side, root: string): Contestant<Side> {
  const program = join(root, 'scripts/bench/virga/contender.ts')
  return { name, command: { program: process.execPath, args: [program] } }
}
