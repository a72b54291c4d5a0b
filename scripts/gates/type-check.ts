// Types: TypeScript 7 over the whole project by tsconfig.json, tests, scripts and examples too.
import { realpathSync } from 'node:fs'
import { type GateResult, runTool, toolFailed } from './gate.ts'

export async function typeCheck(root: string): Promise<GateResult> {
  const flags = ['-p', 'tsconfig.json', '--noEmit', '--pretty', 'false', '--listFiles']
  const run = await runTool(root, 'typescript7/bin/tsc', flags)
  const lines = run.stdout.split('\n').filter((line) => line.trim() !== '')
  const folder = `${realpathSync(root)}/`
  const read = lines.filter((line) => line.startsWith(folder) && !line.includes('/node_modules/'))
  const problems = lines.filter((line) => /\berror TS\d+:/.test(line))
  if (run.exitCode !== 0 && problems.length === 0) throw toolFailed('types', run)
  return { gate: 'types', fileCount: read.length, problems }
}
