// `npm run bench:compare -- A B [--only PATTERN] [--pairs N] [--seconds N]`: is commit B faster than
// commit A? Each pair is two fresh processes, one per commit, measured round by round in turn: what
// one start happens to be like does not decide, nor what the machine does besides.
import { runScript } from '../arguments.ts'
import { measuredTogether } from '../rows.ts'
import { parseCompareOptions } from './options.ts'
import { comparePair } from './pair.ts'
import { findCommit, openTree } from './tree.ts'
import { compareRatios } from './verdict.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

await runScript(async () => {
  const { revisions, rows, pairs, seconds } = parseCompareOptions(process.argv.slice(2))
  const [a, b] = [await commitOf(revisions[0]), await commitOf(revisions[1])]
  const trees = { A: await openTree(a, say), B: await openTree(b, say) }
  say(`B ${short(b)} against A ${short(a)}, ${pairs} pairs:`)
  for (const together of measuredTogether(rows)) {
    const byPair: (number | undefined)[][] = []
    while (byPair.length < pairs) {
      const first = byPair.length % 2 === 0 ? 'A' : 'B'
      byPair.push(await comparePair(together, trees, { seconds, first }))
    }
    for (const [i, row] of together.entries()) {
      say(`${row.name.padEnd(46)} ${told(byPair.flatMap((each) => each[i] ?? []))}`)
    }
  }
})

function told(ratios: readonly number[]): string {
  if (ratios.length < 2) return 'nothing to compare'
  const { ratio, low, high, verdict } = compareRatios(ratios)
  return `${ratio.toFixed(3)} × (99 %: ${low.toFixed(3)} to ${high.toFixed(3)})  ${verdict}`
}

async function commitOf(revision: string): Promise<string> {
  const commit = await findCommit(revision)
  if (commit === undefined) throw new Error(`There is no commit '${revision}'.`)
  return commit
}

function short(commit: string): string {
  return commit.slice(0, 12)
}
