// The README's first command where npm may run no install script.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'

const ROOT = join(import.meta.dirname, '../..')
const MADE = new Set(['node_modules', 'dist', '.cache', '.git'])
const RUN_MS_MAX = 300_000

// Reason: it installs everything anew, which takes minutes; `npm run test:full` runs it.
test.runIf(scaled(10) === 10)(
  'npm ci --ignore-scripts, then npm start, in a copy of what is checked out',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-bare-'))
    try {
      cpSync(ROOT, folder, { recursive: true, filter: (path) => !MADE.has(basename(path)) })
      const run = (...args: string[]) => promisify(execFile)('npm', args, { cwd: folder })
      await run('ci', '--ignore-scripts', '--prefer-offline')
      const { stdout } = await run('start')
      expect(stdout).toContain('The cluster is gone')
      expect(stdout).toContain('The same on one process:')
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
  RUN_MS_MAX,
)
