// scripts/build.ts keeps its invariants BD1-BD3, seen on a small project in a temporary folder.
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const run = promisify(execFile)
const PROJECT = join(import.meta.dirname, '../..')
const GIVEN = [
  'scripts/build.ts',
  'scripts/lazy-builtins.ts',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
]
const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

function project(): string {
  const root = mkdtempSync(join(tmpdir(), 'virga-build-'))
  roots.push(root)
  mkdirSync(join(root, 'scripts'))
  for (const path of GIVEN) cpSync(join(PROJECT, path), join(root, path))
  symlinkSync(join(PROJECT, 'node_modules'), join(root, 'node_modules'))
  write(root, 'runtime/common/name.ts', 'export const here = (): string => import.meta.url\n')
  write(root, 'sdk/index.ts', "export { here } from '../runtime/common/name.ts'\n")
  const main = "import { here } from '../common/name.ts'\nconsole.log(here())\n"
  write(root, 'runtime/raylet/main.ts', main)
  write(root, 'runtime/worker/main.ts', main)
  const command = "import { here } from '../runtime/common/name.ts'\nconsole.log(here())\n"
  write(root, 'cli/main.ts', `#!/usr/bin/env node\n${command}`)
  return root
}

async function build(root: string, ...flags: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(root, 'scripts/build.ts'), ...flags])
  return stdout
}

test('dist holds the entries, their declarations and a command that runs', async () => {
  const root = project()
  await build(root)
  const files = readdirSync(join(root, 'dist')).filter((name) => !/chunk-|\.map$/.test(name))
  expect(files.toSorted()).toEqual(
    ['.stamp', 'cli.js', 'index.js', 'raylet-main.js', 'types', 'worker-main.js'].toSorted(),
  )
  const declarations = readFileSync(join(root, 'dist/types/sdk/index.d.ts'), 'utf8')
  expect(declarations).toContain("from '../runtime/common/name.js'")
  const { stdout } = await run(join(root, 'dist/cli.js'))
  expect(stdout).toMatch(/\/dist\/cli\.js\n$/)
})

test('LB1: what is not named of a built-in module is not loaded for it', async () => {
  const root = project()
  const worker = [
    "import { readFileSync } from 'node:fs'",
    'const loaded = (name: string): boolean =>',
    '  (process as unknown as { moduleLoadList: string[] }).moduleLoadList.includes(name)',
    "console.log(typeof readFileSync, loaded('NativeModule fs/promises'))",
  ]
  write(root, 'runtime/worker/main.ts', `${worker.join('\n')}\n`)
  await build(root)
  const { stdout } = await run(process.execPath, [join(root, 'dist/worker-main.js')])
  expect(stdout).toBe('function false\n')
})

test('what the SDK and a worker share is one file, however much the command shares too', async () => {
  const root = project()
  for (const name of ['a', 'b']) {
    const text = `export const ${name} = (): string => import.meta.url\n`
    write(root, `runtime/common/${name}.ts`, text)
  }
  const both =
    "export { a } from '../runtime/common/a.ts'\nexport { b } from '../runtime/common/b.ts'\n"
  write(root, 'sdk/index.ts', both)
  write(root, 'runtime/worker/main.ts', both.replaceAll('../runtime/', '../'))
  const command = "#!/usr/bin/env node\nimport { a } from '../runtime/common/a.ts'\n"
  write(root, 'cli/main.ts', `${command}console.log(a())\nvoid import('../runtime/common/b.ts')\n`)
  await build(root)
  const text = readFileSync(join(root, 'dist/worker-main.js'), 'utf8')
  expect(text.match(/"\.\/chunk-\w+\.js"/g)).toHaveLength(1)
})

test('BD1: a second build does nothing, one after a change does', async () => {
  const root = project()
  expect(await build(root)).toContain('Built dist/')
  expect(await build(root)).toBe('')
  write(root, 'runtime/common/name.ts', 'export const here = (): string => "moved"\n')
  expect(await build(root)).toContain('Built dist/')
  const { stdout } = await run(process.execPath, [join(root, 'dist/worker-main.js')])
  expect(stdout).toBe('moved\n')
})

test('BD2: an old chunk stays for an hour, and no longer; --clean leaves none', async () => {
  const root = project()
  await build(root)
  const young = join(root, 'dist/chunk-YOUNG.js')
  const old = join(root, 'dist/chunk-OLD.js')
  for (const path of [young, old]) writeFileSync(path, '')
  const twoHoursAgoSeconds = statSync(old).mtimeMs / 1000 - 7200
  utimesSync(old, twoHoursAgoSeconds, twoHoursAgoSeconds)
  write(root, 'cli/main.ts', 'console.log("other")\n')
  await build(root)
  expect([existsSync(young), existsSync(old)]).toEqual([true, false])
  await build(root, '--clean')
  expect(existsSync(young)).toBe(false)
})

test('BD3: an await at top level is refused by file and line, and dist stays as it was', async () => {
  const root = project()
  await build(root)
  write(root, 'sdk/index.ts', 'export const one = await Promise.resolve(1)\n')
  await expect(build(root)).rejects.toMatchObject({
    stderr: expect.stringMatching(/Top-level await[\s\S]*sdk\/index\.ts:1/) as string,
  })
  expect(readFileSync(join(root, 'dist/index.js'), 'utf8')).toContain('here')
  expect(readdirSync(join(root, '.cache'))).toEqual([])
})
