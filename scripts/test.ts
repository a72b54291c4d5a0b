// `npm test [-- VITEST ARGUMENTS]`: all tests, the heavy ones at a tenth of their size.
// `npm run test:full`: the heavy ones at full size (VIRGA_TEST_SCALE=1), but for those of chaos
// (on five nodes, and aimed at workers), whose full size is `npm run chaos` (D114).
// The last line says how long they took.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const args = process.argv.slice(2).filter((arg) => arg !== '--full')
const scale = process.argv.includes('--full') ? '1' : (process.env['VIRGA_TEST_SCALE'] ?? '0.1')
const startedAtMs = performance.now()
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...args],
  { cwd: root, stdio: 'inherit', env: { ...process.env, VIRGA_TEST_SCALE: scale } },
)
process.exitCode = status ?? 1
const seconds = Math.round((performance.now() - startedAtMs) / 1000)
const time = `${Math.floor(seconds / 60)} min ${seconds % 60} s`
process.stdout.write(`The tests took ${time}, the heavy ones at ${scale} of their size.\n`)
