// `npm test` as it is run: its exit code is that of the tests, its last line tells the time.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, '../../scripts/test.ts')

test.each([
  ['test/unit/cli/amounts.test.ts', 0],
  ['test/unit/cli/no-such.test.ts', 1],
])('of %s it ends with %i and the time', (file, code) => {
  const { status, stdout } = spawnSync(process.execPath, [main, file], {
    encoding: 'utf8',
    env: { ...process.env, VIRGA_TEST_SCALE: '0.1' },
  })
  expect(status).toBe(code)
  expect(stdout).toMatch(
    /\nThe tests took \d+ min \d+ s, the heavy ones at 0\.1 of their size\.\n$/,
  )
})
