// Types: TypeScript 7 over the whole project, and over examples/ as a project of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type GateResult, runTool, toolFailed } from './gate.ts'

const PROJECTS = ['tsconfig.json', 'examples/tsconfig.json']

export async function typeCheck(root: string): Promise<GateResult> {
  const present = PROJECTS.filter((project) => existsSync(join(root, project)))
  const results = await Promise.all(present.map((project) => checkProject(root, project)))
  return {
    gate: 'types',
    fileCount: results.reduce((sum, result) => sum + result.fileCount, 0),
    problems: results.flatMap((result) => result.problems),
  }
}

async function checkProject(root: string, project: string): Promise<GateResult> {
  const flags = ['-p', project, '--noEmit', '--pretty', 'false', '--listFiles']
  const run = await runTool(root, 'typescript7/bin/tsc', flags)
  const lines = run.stdout.split('\n').filter((line) => line.trim() !== '')
  const isRead = (line: string): boolean => line.startsWith(`${root}/`)
  const read = lines.filter((line) => isRead(line) && !line.includes('/node_modules/'))
  const problems = lines.filter((line) => /\berror TS\d+:/.test(line) || line.startsWith('  '))
  if (run.exitCode !== 0 && problems.length === 0) throw toolFailed('types', run)
  return { gate: 'types', fileCount: read.length, problems }
}
