// Two commits told apart as a user does it, one of them with a slow-down planted in it.
import { execFile, execFileSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdtempSync, readlinkSync } from 'node:fs'
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const PACKAGES = 'node_modules'
const FOLDERS = ['runtime', 'sdk', 'cli', 'scripts']
const FILES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
/** The driver is kept busy with nothing for nine tenths of its time. */
const SLOW_DOWN =
  'setInterval(() => { for (const end = performance.now() + 30; performance.now() < end;); }, 3).unref()\n'
const ROW = 'single client tasks sync'
const TIMEOUT_MS = 180_000

let folder = ''
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@test', ...args], {
    cwd: folder,
    encoding: 'utf8',
  })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-compare-'))
  for (const path of [...FOLDERS, ...FILES]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  }
  symlinkSync(join(ROOT, PACKAGES), join(folder, PACKAGES))
  writeFileSync(join(folder, '.gitignore'), `${PACKAGES}\ncache\n`)
  git('init', '--quiet')
  git('add', '.')
  git('commit', '--quiet', '--message', 'as it is')
  appendFileSync(join(folder, 'sdk/index.ts'), SLOW_DOWN)
  git('commit', '--quiet', '--all', '--message', 'slower')
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** The line of the row. */
async function compare(a: string, b: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      join(folder, 'scripts/bench/compare/main.ts'),
      ...[a, b, '--only', `^${ROW}$`, '--pairs', '4', '--seconds', '0.2'],
    ],
    { cwd: folder, env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') } },
  )
  return stdout.split('\n').find((line) => line.startsWith(ROW)) ?? stdout
}

test(
  'a planted slow-down is told; a commit is nothing like it beside itself, with packages that are there',
  { timeout: TIMEOUT_MS },
  async () => {
    expect(await compare('HEAD~1', 'HEAD')).toMatch(/ slower$/)
    const packages = join(
      folder,
      'cache/virga-bench/trees',
      git('rev-parse', 'HEAD~1').trim(),
      PACKAGES,
    )
    rmSync(packages)
    symlinkSync(join(folder, 'a checkout that is gone'), packages)
    const same = await compare('HEAD~1', 'HEAD~1')
    const times = Number(/(\d+\.\d+) ×/.exec(same)?.[1])
    expect(times, same).toBeGreaterThan(0.5)
    expect(times, same).toBeLessThan(2)
    expect(readlinkSync(packages)).toBe(join(folder, PACKAGES))
  },
)
