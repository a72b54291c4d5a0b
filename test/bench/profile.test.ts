// `npm run profile ROW` as its user runs it.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

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
  },
)
