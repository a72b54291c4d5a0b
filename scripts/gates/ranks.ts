// Import ranks: dependency-cruiser by .dependency-cruiser.cjs of the tree. It reads TypeScript
// through typescript@6, because version 7 has no compiler API: without it, it would read nothing
// and pass.
import { type GateResult, foldersOf, runTool, toolFailed } from './gate.ts'

interface Report {
  readonly modules: readonly { readonly source: string }[]
  readonly summary: {
    readonly violations: readonly {
      readonly from: string
      readonly to: string
      readonly rule: { readonly name: string }
      readonly cycle?: readonly { readonly name: string }[]
    }[]
  }
}

export async function ranks(root: string): Promise<GateResult> {
  const folders = foldersOf(root)
  if (folders.length === 0) return { gate: 'ranks', fileCount: 0, problems: [] }
  const flags = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...folders]
  const tool = 'dependency-cruiser/bin/dependency-cruiser.mjs'
  const run = await runTool(root, tool, flags)
  if (!run.stdout.startsWith('{')) throw toolFailed('ranks', run)
  const report = JSON.parse(run.stdout) as Report
  const ours = report.modules.filter(({ source }) => isOurs(source, folders))
  const problems = report.summary.violations.map(({ from, to, rule, cycle }) => {
    const path = cycle === undefined ? to : cycle.map((step) => step.name).join(' -> ')
    return `${from}: [${rule.name}] imports ${path}`
  })
  return { gate: 'ranks', fileCount: ours.length, problems: problems.toSorted() }
}

const isOurs = (source: string, folders: readonly string[]): boolean =>
  folders.some((folder) => source.startsWith(`${folder}/`)) && !source.includes('node_modules/')
