// The README's two commands where npm may run no install script. Of the tests, those of what such
// scripts would have made: native libraries and the programs of the gates.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { SCALE } from '../support/scale.ts'
import { itWhere } from '../support/where.ts'

const ROOT = join(import.meta.dirname, '../..')
const MADE = new Set(['node_modules', 'dist', '.cache', '.git'])
/** Measured: 170 s while other programs ran. */
const RUN_MS_MAX = 600_000
const TESTS = [
  'test/gates',
  'test/integration/engine/first-program.test.ts',
  'test/integration/shipping/programs.test.ts',
  'test/unit/objects',
]

itWhere(
  { can: SCALE === '1', reason: 'it installs all anew, for minutes: npm run test:full has it' },
  'npm ci --ignore-scripts, then npm start and npm test, in a copy of what is checked out',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-bare-'))
    try {
      cpSync(ROOT, folder, { recursive: true, filter: (path) => !MADE.has(basename(path)) })
      const env = { ...process.env, VIRGA_TEST_SCALE: '0.1' }
      const run = (...args: string[]) => promisify(execFile)('npm', args, { cwd: folder, env })
      await run('ci', '--ignore-scripts', '--prefer-offline')
      const { stdout } = await run('start')
      expect(stdout).toContain('The cluster is gone')
      expect(stdout).toContain('The same on one process:')
      const tests = await run('test', '--', ...TESTS)
      expect(tests.stdout).toMatch(/\nThe tests took .*, the heavy ones at 0\.1 of their size\.\n$/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
  RUN_MS_MAX,
)
