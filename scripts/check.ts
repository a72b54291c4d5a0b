// `npm run check [-- GATE...]`: every rule of the code that a machine can hold, in seconds.
// Prints how many files each gate read, then what it refuses; any refusal is exit code 1.
import { dirname } from 'node:path'
import { unusedExports } from './gates/exports.ts'
import { format } from './gates/format.ts'
import { type Gate, judge } from './gates/gate.ts'
import { lint } from './gates/lint.ts'
import { ranks } from './gates/ranks.ts'
import { tidy } from './gates/tidy.ts'
import { typeCheck } from './gates/type-check.ts'

const GATES: Readonly<Record<string, Gate>> = {
  types: typeCheck,
  lint,
  ranks,
  format,
  tidy,
  exports: unusedExports,
}
const ROOT = dirname(import.meta.dirname)
const SHOWN_MAX = 40

async function main(asked: readonly string[]): Promise<void> {
  const unknown = asked.find((name) => !(name in GATES))
  if (unknown !== undefined) {
    throw new Error(`No gate is called ${unknown}. There are: ${Object.keys(GATES).join(', ')}.`)
  }
  const chosen = Object.entries(GATES).filter(
    ([name]) => asked.length === 0 || asked.includes(name),
  )
  const passed = await Promise.all(chosen.map(([name, gate]) => runGate(name, gate)))
  const refusedCount = passed.filter((isPassed) => !isPassed).length
  process.stdout.write(`${passed.length - refusedCount} passed, ${refusedCount} failed\n`)
  if (refusedCount > 0) process.exitCode = 1
}

async function runGate(name: string, gate: Gate): Promise<boolean> {
  const startedAtMs = performance.now()
  const { fileCount, problems } = judge(await gate(ROOT))
  const took = `${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`
  const verdict = problems.length === 0 ? 'ok' : `${problems.length} refused`
  const shown = problems.slice(0, SHOWN_MAX).map((problem) => `  ${problem}\n`)
  const rest = problems.length - shown.length
  if (rest > 0) shown.push(`  and ${rest} more\n`)
  process.stdout.write(
    `${name.padEnd(8)}${fileCount} files, ${verdict}, ${took}\n${shown.join('')}`,
  )
  return problems.length === 0
}

await main(process.argv.slice(2))
