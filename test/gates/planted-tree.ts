// A small legal project in a temporary folder, with this project's own configuration, into which
// the tests of the gates plant violations. The shared tree is never touched.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const PROJECT = join(import.meta.dirname, '../..')
const CONFIGURATION = [
  'tsconfig.json',
  '.oxlintrc.json',
  '.oxfmtrc.json',
  '.dependency-cruiser.cjs',
]

export type Files = Readonly<Record<string, string>>

/** One planted violation and the rule that has to refuse it. */
export interface Violation {
  readonly rule: string
  readonly path: string
  readonly text: string
  /** Other files that the violation needs. */
  readonly beside?: Files
}

const manifest = { name: 'planted', type: 'module', dependencies: { koffi: '3.3.4' } }

/** Every gate passes it: a port, its adapter, a root that hands it in, a pure core, a test. */
export const LEGAL: Files = {
  'package.json': `${JSON.stringify(manifest, null, 2)}\n`,
  'package-lock.json': '{}\n',
  'DECISIONS.md': '# Decisions\n\n## D1. `koffi`\n',
  'runtime/common/clock.ts':
    '// The port through which time enters.\nexport interface Clock {\n  nowMs(): number\n}\n',
  'runtime/common/clock-system.ts':
    "// The machine's own clock behind the port.\nimport type { Clock } from './clock.ts'\n\n" +
    'export const systemClock: Clock = { nowMs: () => Date.now() }\n',
  'runtime/raylet/arena-shm.ts':
    "// Shared memory, which only a suffix file may reach.\nimport { load } from 'koffi'\n\n" +
    'export const loaded = (): boolean => typeof load === "function"\n'.replaceAll('"', "'"),
  'runtime/raylet/state.ts':
    "// A pure core: time is handed to it.\nimport type { Clock } from '../common/clock.ts'\n\n" +
    'export const step = (clock: Clock): number => clock.nowMs() + 1\n',
  'runtime/raylet/main.ts':
    "// The composition root of the planted raylet.\nimport { systemClock } from '../common/clock-system.ts'\n" +
    "import { loaded } from './arena-shm.ts'\nimport { step } from './state.ts'\n\n" +
    'process.exitCode = step(systemClock) > 0 && loaded() ? 0 : 1\n',
  'test/unit/raylet/state.test.ts':
    "// The planted core, tested with a clock that stands still.\nimport { step } from '../../../runtime/raylet/state.ts'\n\n" +
    'export const passed: boolean = step({ nowMs: () => 1 }) === 2\n',
}

/** Writes the files into a new temporary folder, and returns it. */
export function plant(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), 'virga-gates-'))
  symlinkSync(join(PROJECT, 'node_modules'), join(root, 'node_modules'))
  for (const name of CONFIGURATION) cpSync(join(PROJECT, name), join(root, name))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

export function plantAll(violations: readonly Violation[]): string {
  const planted = violations.map(({ path, text, beside }) => ({ ...beside, [path]: text }))
  return plant(Object.assign({}, LEGAL, ...planted) as Files)
}

export function uproot(root: string): void {
  rmSync(root, { recursive: true, force: true })
}

/** The rules that refused this file, as the gate names them: `path:12: [rule] ...`. */
export function rulesAgainst(problems: readonly string[], path: string): string[] {
  return problems
    .filter((problem) => problem.startsWith(`${path}:`) || problem.startsWith(`${path}(`))
    .map((problem) => /\[([^\]]+)\]|error (TS\d+)/.exec(problem))
    .map((match) => match?.[1] ?? match?.[2] ?? 'unnamed')
}
