// The lint gate refuses every banned effect in a pure file, leaves adapters and roots alone, and
// holds the size and type rules.
import { expect, test } from 'vitest'
import { judge } from '../../scripts/gates/gate.ts'
import { lint } from '../../scripts/gates/lint.ts'
import { gateCases } from './gate-cases.ts'
import { type Violation, plantAll, uproot } from './planted-tree.ts'

const GLOBALS: Readonly<Record<string, string>> = {
  Date: 'Date.now()',
  setTimeout: 'setTimeout(() => 1, 1)',
  setInterval: 'setInterval(() => 1, 1)',
  setImmediate: 'setImmediate(() => 1)',
  queueMicrotask: 'queueMicrotask(() => 1)',
  performance: 'performance.now()',
  crypto: 'crypto.randomUUID()',
  fetch: "fetch('x')",
  process: 'process.pid',
  globalThis: 'globalThis.setTimeout(() => 1, 1)',
  'finalization-registry': 'new FinalizationRegistry(() => undefined)',
}

const MODULES = [
  'node:timers/promises',
  'node:net',
  'node:fs',
  'fs/promises',
  'node:http',
  'node:https',
  'node:http2',
  'node:dgram',
  'node:dns',
  'node:tls',
  'child_process',
  'node:worker_threads',
  'node:cluster',
  'node:crypto',
  'node:os',
  'node:perf_hooks',
  'node:process',
  'node:inspector',
  'node:module',
  'node:v8',
  'node:vm',
  'koffi',
  'esbuild',
  'pino',
]

const slug = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9]+/g, '-')
    .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()

const bannedGlobals: Violation[] = Object.entries(GLOBALS).map(([name, use]) => ({
  rule: 'eslint(no-restricted-globals)',
  path: `runtime/raylet/${slug(name)}-used.ts`,
  text: `export const use = (): unknown => ${use}\n`,
}))

const bannedModules: Violation[] = MODULES.map((name) => ({
  rule: 'eslint(no-restricted-imports)',
  path: `runtime/core-worker/${slug(name)}-imported.ts`,
  text: `export * as world from '${name}'\n`,
}))

const PARSED = "const parsed = JSON.parse('1')\n"
const UNSAFE: Readonly<Record<string, string>> = {
  assignment: `${PARSED}export const f = (): unknown => {\n  const n: number = parsed\n  return n\n}\n`,
  call: `${PARSED}export const f = (): unknown => {\n  parsed()\n  return 1\n}\n`,
  'member-access': `${PARSED}export const f = (): unknown => parsed.name as unknown\n`,
  return: `${PARSED}export const f = (): number => parsed\n`,
  argument: `${PARSED}const g = (n: number): number => n\nexport const f = (): number => g(parsed)\n`,
}

const statements = (count: number): string => '  n += 1\n'.repeat(count)

const others: Violation[] = [
  {
    rule: 'eslint(no-restricted-properties)',
    path: 'runtime/scheduling/rolls-dice.ts',
    text: 'export const roll = (): number => Math.random()\n',
  },
  {
    rule: 'eslint(no-restricted-properties)',
    path: 'runtime/scheduling/takes-dice-apart.ts',
    text: 'export const roll = (): number => {\n  const { random } = Math\n  return random()\n}\n',
  },
  {
    rule: 'eslint(no-restricted-properties)',
    path: 'sdk/own-timer.ts',
    text: 'export const soon = (): AbortSignal => AbortSignal.timeout(5)\n',
  },
  {
    rule: 'eslint(no-restricted-globals)',
    path: 'cli/own-clock.ts',
    text: 'export const now = (): number => Date.now()\n',
  },
  {
    rule: 'eslint(no-console)',
    path: 'runtime/raylet/prints.ts',
    text: "export const print = (): void => {\n  console.log('here')\n}\n",
  },
  {
    rule: 'eslint(max-lines)',
    path: 'runtime/raylet/long-file.ts',
    text: Array.from({ length: 501 }, (_, n) => `export const n${n} = ${n}\n`).join(''),
  },
  {
    rule: 'eslint(max-lines-per-function)',
    path: 'runtime/raylet/long-function.ts',
    text: `export function count(): number {\n  let n = 0\n${statements(70)}  return n\n}\n`,
  },
  {
    rule: 'eslint(complexity)',
    path: 'runtime/raylet/complex.ts',
    text: `export function count(n: number): number {\n${Array.from({ length: 12 }, (_, k) => `  if (n === ${k}) return ${k}\n`).join('')}  return n\n}\n`,
  },
  {
    rule: 'eslint(max-params)',
    path: 'runtime/raylet/many-params.ts',
    text: 'export const sum = (a: number, b: number, c: number, d: number, e: number): number =>\n  a + b + c + d + e\n',
  },
  {
    rule: 'eslint(eqeqeq)',
    path: 'runtime/raylet/loose.ts',
    text: 'export const same = (a: unknown, b: unknown): boolean => a == b\n',
  },
  {
    rule: 'eslint(no-empty)',
    path: 'runtime/raylet/swallows.ts',
    text: 'export function quiet(run: () => void): void {\n  try {\n    run()\n  } catch {}\n}\n',
  },
  {
    rule: 'import(no-default-export)',
    path: 'runtime/raylet/by-default.ts',
    text: 'export default 1\n',
  },
  {
    rule: 'unicorn(filename-case)',
    path: 'runtime/raylet/camelCase.ts',
    text: 'export const one = 1\n',
  },
  {
    rule: 'typescript(consistent-type-imports)',
    path: 'runtime/raylet/type-as-value.ts',
    text: "import { Clock } from '../common/clock.ts'\nexport type Time = Clock\n",
  },
  {
    rule: 'typescript(explicit-module-boundary-types)',
    path: 'runtime/raylet/untyped-boundary.ts',
    text: 'export const one = () => 1\n',
  },
  {
    rule: 'typescript(no-explicit-any)',
    path: 'runtime/raylet/any-value.ts',
    text: 'export const f = (a: any): boolean => a === 1\n',
  },
  {
    rule: 'typescript(no-non-null-assertion)',
    path: 'runtime/raylet/asserts-non-null.ts',
    text: 'export const first = (a: number[]): number => a[0]!\n',
  },
  {
    rule: 'typescript(no-floating-promises)',
    path: 'test/unit/floats.ts',
    text: 'const work = (): Promise<void> => Promise.resolve()\nexport const f = (): void => {\n  work()\n}\n',
  },
  {
    rule: 'typescript(no-misused-promises)',
    path: 'runtime/raylet/misuses.ts',
    text: 'const work = (): Promise<boolean> => Promise.resolve(true)\nexport const f = (): number => {\n  if (work()) return 1\n  return 2\n}\n',
  },
  {
    rule: 'typescript(await-thenable)',
    path: 'runtime/raylet/awaits-nothing.ts',
    text: 'export const f = async (): Promise<number> => {\n  return await 1\n}\n',
  },
  {
    rule: 'typescript(only-throw-error)',
    path: 'runtime/raylet/throws-text.ts',
    text: "export const f = (): never => {\n  throw 'text'\n}\n",
  },
  {
    rule: 'typescript(switch-exhaustiveness-check)',
    path: 'runtime/raylet/not-exhaustive.ts',
    text: "export function f(kind: 'a' | 'b'): number {\n  switch (kind) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n",
  },
  ...['assignment', 'call', 'member-access', 'return', 'argument'].map((kind) => ({
    rule: `typescript(no-unsafe-${kind})`,
    path: `runtime/raylet/unsafe-${kind}.ts`,
    text: UNSAFE[kind] ?? '',
  })),
]

gateCases('lint', lint, [...bannedGlobals, ...bannedModules, ...others])

const SUFFIXES = [
  'dynamodb',
  's3',
  'lambda',
  'ec2',
  'tcp',
  'uds',
  'process',
  'file',
  'shm',
  'system',
  'loader',
  'http',
]

test('lint lets every suffix file and every composition root touch the world', async () => {
  const names = SUFFIXES.map((suffix) => `runtime/burst/x-${suffix}.ts`)
  names.push('runtime/burst/main.ts', 'runtime/burst/handler.ts', 'sdk/init.ts', 'sdk/connect.ts')
  const text = "export { spawn } from 'node:child_process'\nexport const at = Date.now()\n"
  const root = plantAll(names.map((path) => ({ rule: 'none', path, text })))
  try {
    expect(judge(await lint(root)).problems).toEqual([])
  } finally {
    uproot(root)
  }
})
