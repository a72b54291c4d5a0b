// scripts/with-node.js picks the Node that runs the project, and says so when there is none.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'

const LAUNCHER = join(import.meta.dirname, '../../scripts/with-node.js')
const roots: string[] = []
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})

/** A project with the launcher and one script; `bundled` gives it a Node of its own. */
function project(script: string, bundled: boolean): string {
  const root = mkdtempSync(join(tmpdir(), 'virga-launcher-'))
  roots.push(root)
  mkdirSync(join(root, 'scripts'))
  cpSync(LAUNCHER, join(root, 'scripts/with-node.js'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(root, 'script.ts'), script)
  if (!bundled) return root
  const folder = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
  mkdirSync(folder, { recursive: true })
  symlinkSync(process.execPath, join(folder, 'node'))
  return root
}

/** Starts the launcher under a Node that says it is `version`. */
function launch(root: string, version: string) {
  const versions = `{ value: { ...process.versions, node: '${version}' } }`
  const pretend = `Object.defineProperty(process, 'versions', ${versions})`
  const flags = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`]
  return spawn(process.execPath, [...flags, join(root, 'scripts/with-node.js'), 'script.ts', 'a b'])
}

async function outcome(root: string, version: string) {
  const child = launch(root, version)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await closed) as [number]
  return { code, stdout, stderr }
}

test('an old Node is refused in words when the project brought none', async () => {
  const { code, stdout, stderr } = await outcome(project('console.log(1)', false), '20.20.2')
  expect(code).toBe(1)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/needs Node 22\.18 or newer, and this is Node 20\.20\.2/)
})

test.each(['22.18.0', '24.0.0', '25.1.0'])("the user's own Node %s will do", async (version) => {
  const root = project('console.log(process.argv[2] as string)', false)
  expect(await outcome(root, version)).toEqual({ code: 0, stdout: 'a b\n', stderr: '' })
})

test('22.17 is too old, because it strips no types', async () => {
  const { code } = await outcome(project('console.log(1)', false), '22.17.1')
  expect(code).toBe(1)
})

test('the bundled Node runs the script whatever started the launcher, first on its PATH', async () => {
  const root = project('console.log(process.env.PATH?.split(":")[0])', true)
  const { code, stdout } = await outcome(root, '18.0.0')
  expect(code).toBe(0)
  expect(stdout.trim()).toBe(
    join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin'),
  )
})

test('the exit code of the script is passed on', async () => {
  const { code } = await outcome(project('process.exit(7)', true), '24.0.0')
  expect(code).toBe(7)
})

test('a signal to the launcher reaches the script, and its death is told as shells tell it', async () => {
  const root = project('setInterval(() => 1, 1000)\nconsole.log("up")', true)
  const child = launch(root, '24.0.0')
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number]
  expect(code).toBe(128 + 15)
})
