// `npm test [-- VITEST ARGUMENTS]`: all tests, the heavy ones at a tenth of their size.
// `npm run test:full [-- FILES]`: at full size (VIRGA_TEST_SCALE=1) those files, or all that have
// one (D194) but for those of chaos (on five nodes, and aimed at workers), whose full size is
// `npm run chaos` (D114).
// The last line says how long they took.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const HEAVY = ['related', '--run', 'test/support/scale.ts', '--exclude', 'test/chaos/**']
const given = process.argv.slice(2)
const isFull = given.includes('--full')
const args = given.filter((arg) => arg !== '--full')
const scale = isFull ? '1' : (process.env['VIRGA_TEST_SCALE'] ?? '0.1')
const which = isFull && args.length === 0 ? HEAVY : ['run', ...args]
const startedAtMs = performance.now()
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), ...which],
  { cwd: root, stdio: 'inherit', env: { ...process.env, VIRGA_TEST_SCALE: scale } },
)
process.exitCode = status ?? 1
const seconds = Math.round((performance.now() - startedAtMs) / 1000)
const time = `${Math.floor(seconds / 60)} min ${seconds % 60} s`
process.stdout.write(`The tests took ${time}, the heavy ones at ${scale} of their size.\n`)
