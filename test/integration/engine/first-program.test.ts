// The first program of the README, as a user runs it: node app.ts, no loader. It must leave
// nothing.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { processesWith } from '../../support/processes-with.ts'
import { until } from '../../support/waiting.ts'

const app = fileURLToPath(new URL('../../../examples/app.ts', import.meta.url))

it('prints [1, 4, 9] and 16, and leaves no session, process or shared memory behind', async () => {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'virga-test-'))
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDir, VIRGA_ADDRESS: '' }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [app], { env })
  expect(stdout).toBe('[ 1, 4, 9 ]\n16\n')
  expect(stderr).toBe('')
  await until(() => readdirSync(join(runtimeDir, 'virga')).length === 0)
  await until(() => processesWith('XDG_RUNTIME_DIR', runtimeDir).length === 0)
  expect(readdirSync('/dev/shm').filter((name) => name.includes('virga'))).toEqual([])
  rmSync(runtimeDir, { recursive: true })
})
