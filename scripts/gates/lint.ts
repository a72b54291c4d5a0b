// Lint and effect bans: oxlint with type information, by .oxlintrc.json of the tree.
import { type GateResult, foldersOf, runTool, toolFailed } from './gate.ts'

interface Report {
  readonly diagnostics: readonly {
    readonly message: string
    readonly code?: string
    readonly filename: string
    readonly labels: readonly { readonly span: { readonly line: number } }[]
  }[]
  readonly number_of_files: number
}

export async function lint(root: string): Promise<GateResult> {
  const folders = foldersOf(root)
  if (folders.length === 0) return { gate: 'lint', fileCount: 0, problems: [] }
  const flags = ['--type-aware', '--deny-warnings', '--format', 'json', '-c', '.oxlintrc.json']
  const run = await runTool(root, 'oxlint/bin/oxlint', [...flags, ...folders])
  const report = parse(run.stdout)
  if (report === undefined) throw toolFailed('lint', run)
  const problems = report.diagnostics.map(({ filename, labels, code, message }) => {
    const line = labels[0]?.span.line ?? 1
    return `${filename}:${line}: [${code ?? 'parse'}] ${message}`
  })
  if (run.exitCode !== 0 && problems.length === 0 && report.number_of_files > 0) {
    throw toolFailed('lint', run)
  }
  return { gate: 'lint', fileCount: report.number_of_files, problems: problems.toSorted() }
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report
  } catch {
    return undefined // not a report but a message: the caller shows it as it is
  }
}
