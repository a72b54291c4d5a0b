// Format: oxfmt by .oxfmtrc.json of the tree. `npm run format` mends what this refuses.
import { stripVTControlCharacters } from 'node:util'
import { type GateResult, foldersOf, runTool, toolFailed } from './gate.ts'

export async function format(root: string): Promise<GateResult> {
  if (foldersOf(root).length === 0) return { gate: 'format', fileCount: 0, problems: [] }
  const run = await runTool(root, 'oxfmt/bin/oxfmt', ['--check', '.'])
  // Under CI it colours its output, whatever NO_COLOR says.
  const said = stripVTControlCharacters(run.stdout + run.stderr)
  const fileCount = Number(/on (\d+) files?/.exec(said)?.[1] ?? 0)
  const problems = said
    .split('\n')
    .flatMap((line) => /^(\S+) \(\d+ms\)$/.exec(line)?.[1] ?? [])
    .map((path) => `${path}: [format] run npm run format`)
  if (run.exitCode !== 0 && problems.length === 0 && fileCount > 0) throw toolFailed('format', run)
  return { gate: 'format', fileCount, problems }
}
