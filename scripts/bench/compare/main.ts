// `npm run bench:compare -- A B [--only PATTERN] [--pairs N] [--seconds N]`: is commit B faster than
// commit A? Each pair is two fresh processes, one per commit, measured round by round in turn: what
// one start happens to be like does not decide, nor what the machine does besides.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ContenderProcess, startContender } from '../contender-process.ts'
import { inUnit, ratio, ROWS, type Row, workloadOf } from '../rows.ts'
import { compareRatios } from './verdict.ts'
import { openTree, type Tree } from './tree.ts'

/** Rows that are run in the order A B B A, so that a drift of the machine cancels out. */
const ORDER = [0, 1, 1, 0] as const
const PATTERN_DEFAULT =
  '^(single client tasks a?sync|1:1 actor calls a?sync|n:n actor calls async|single client put calls)$'
const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** @returns how many times better B was than A, in one pair of processes. */
async function pair(row: Row, trees: readonly Tree[], seconds: number): Promise<number> {
  const started: ContenderProcess[] = []
  try {
    for (const { root } of trees) {
      const program = join(root, 'scripts/bench/virga/contender.ts')
      const command = { program: process.execPath, args: [program] }
      const contender = await startContender(command, workloadOf(row))
      started.push(contender)
      if (contender.missing !== undefined) throw new Error(`${row.name}: ${contender.missing}`)
      if (row.measure !== 'sample') await contender.ask('warm', seconds / 2)
    }
    const values: [number[], number[]] = [[], []]
    for (const which of ORDER) {
      const parts = await started[which]?.ask('round', seconds)
      values[which].push(inUnit(row, parts?.[row.part ?? 'value'] ?? Number.NaN))
    }
    const mean = ([first = 0, second = 0]: number[]): number => (first + second) / 2
    return ratio(row, mean(values[1]), mean(values[0]))
  } finally {
    await Promise.all(started.map((contender) => contender.end()))
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: PATTERN_DEFAULT },
    pairs: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '0.5' },
  },
})
const pattern = new RegExp(values.only, 'i')
const rows = ROWS.filter(({ name, measure }) => measure !== 'polling' && pattern.test(name))
const [a, b, ...others] = positionals
const [pairs, seconds] = [Number(values.pairs), Number(values.seconds)]
if (a === undefined || b === undefined || others.length > 0 || !(pairs >= 2) || !(seconds > 0)) {
  process.stderr.write(
    'npm run bench:compare -- A B [--only PATTERN] [--pairs N, at least 2] [--seconds N]\n',
  )
  process.exit(2)
}
if (rows.length === 0) {
  const names = ROWS.map(({ name }) => name).join(', ')
  process.stderr.write(`--only '${values.only}' matches no row. The rows: ${names}.\n`)
  process.exit(2)
}
const trees = [await openTree(a, say), await openTree(b, say)]
say(`B ${trees[1]?.commit ?? ''} against A ${trees[0]?.commit ?? ''}, ${pairs} pairs:`)
for (const row of rows) {
  const ratios: number[] = []
  while (ratios.length < pairs) ratios.push(await pair(row, trees, seconds))
  const { ratio: times, low, high, verdict } = compareRatios(ratios)
  const interval = `${times.toFixed(3)} × (99 %: ${low.toFixed(3)} to ${high.toFixed(3)})`
  say(`${row.name.padEnd(46)} ${interval}  ${verdict}`)
}
