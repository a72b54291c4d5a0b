// What a gate of `npm run check` is: it reads a tree, says how many files it read and what it
// refuses, and changes nothing. The tree is an argument, so that the tests of the gates can plant
// violations in a copy. The tools themselves always come from this project's node_modules.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export interface GateResult {
  readonly gate: string
  /** How many files of the tree were read. A gate that read none proves nothing: see `judge`. */
  readonly fileCount: number
  /** `path:line: [rule] what to do`, one line each; empty: passed. */
  readonly problems: readonly string[]
}

export type Gate = (root: string) => Promise<GateResult>

/** Folders that hold code of ours; those a tree lacks are passed over. */
const FOLDERS = ['runtime', 'sdk', 'cli', 'infra', 'test', 'scripts', 'examples'] as const

const PROJECT = join(import.meta.dirname, '../..')

/** The result, refused when the gate had nothing to read: a tool that finds no files is green. */
export function judge(result: GateResult): GateResult {
  if (result.fileCount > 0) return result
  const problem = `[${result.gate}-read-nothing] the gate read 0 files: its configuration is broken`
  return { ...result, problems: [problem, ...result.problems] }
}

export function foldersOf(root: string): string[] {
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
}

/**
 * Paths of all files below `folder`, relative to `root`, sorted; node_modules and dist left out.
 */
export function filesUnder(root: string, folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isFile()) found.push(path)
    if (!entry.isDirectory() || SKIPPED_FOLDERS.has(entry.name)) continue
    found.push(...filesUnder(root, path))
  }
  return found.toSorted()
}
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.cache', '.git'])

export interface ToolRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a JavaScript tool of node_modules in `root`.
 * @param tool the path of its program below node_modules
 */
export function runTool(root: string, tool: string, args: readonly string[]): Promise<ToolRun> {
  return new Promise((resolve, reject) => {
    const program = join(PROJECT, 'node_modules', tool)
    const child = spawn(process.execPath, [program, ...args], { cwd: root })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ exitCode: code ?? 1, stdout, stderr })
    })
  })
}

/** The tool itself broke: not a violation of the tree, but no pass either. */
export function toolFailed(gate: string, run: ToolRun): Error {
  const said = `${run.stdout}\n${run.stderr}`.trim().slice(-2000)
  return new Error(`The ${gate} gate could not run (exit code ${run.exitCode}).\n${said}`)
}
