// `npm run profile ROW` as its user runs it, and what is read from a profile.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCpuProfile, selfTimes } from '../../scripts/bench/cpu-profile.ts'

const MAIN = join(import.meta.dirname, '../../scripts/bench/profile.ts')
const TIMEOUT_MS = 120_000

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-profile-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test(
  'driver, raylet and worker each get a flame graph, a profile and their hottest functions',
  { timeout: TIMEOUT_MS },
  async () => {
    const row = 'single client tasks async'
    const args = [MAIN, row, '--seconds', '0.5', '--out', folder]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const files = readdirSync(folder)
    for (const role of ['driver', 'raylet', 'worker']) {
      expect(stdout).toMatch(new RegExp(`^${role} \\d+: \\d+\\.\\d+ s of CPU$`, 'm'))
      expect(files.some((name) => new RegExp(`^${role}-\\d+\\.cpuprofile$`).test(name))).toBe(true)
      const graph = files.find((name) => new RegExp(`^${role}-\\d+\\.svg$`).test(name)) ?? ''
      expect(readFileSync(join(folder, graph), 'utf8')).toMatch(/^<svg .*<title>/s)
    }
    // In the sources, not in what was built of them.
    expect(stdout).toMatch(/%  \S+ runtime\/\S+\.ts:\d+/)
    expect(stdout).not.toContain('node:inspector')
  },
)

test('what the profiler itself does is left out, but not what it only passes on', () => {
  const hook = 'file:///bench/profile-hook.js'
  const node = (id: number, functionName: string, url: string, children: number[]): object => ({
    id,
    callFrame: { functionName, url, lineNumber: 0, columnNumber: 0 },
    children,
  })
  const path = join(folder, 'made.cpuprofile')
  const made = {
    nodes: [
      node(1, '(root)', '', [2, 4, 6]),
      node(2, 'toggleSampling', hook, [3]),
      node(3, 'post', 'node:inspector', []),
      node(4, 'childProcess.spawn', hook, [5]),
      node(5, 'spawn', 'node:child_process', []),
      node(6, '(idle)', '', []),
    ],
    samples: [2, 3, 4, 5, 6],
    timeDeltas: [1, 1000, 10, 20, 5000],
  }
  writeFileSync(path, JSON.stringify(made))
  const root = readCpuProfile(path)
  expect(root.totalUs).toBe(30)
  expect(selfTimes(root).map(([frame]) => frame)).toEqual([
    'spawn node:child_process',
    expect.stringMatching(/^childProcess\.spawn .*profile-hook\.js:1$/),
    '(root)',
  ])
})
