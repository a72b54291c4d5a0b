// What a killed raylet leaves behind is ended by its sentinel.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRunning } from '../../support/is-running.ts'
import { until } from '../../support/waiting.ts'

test('F05: when the raylet is killed, its endless workers end and its folder goes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'virga-sentinel-'))
  writeFileSync(join(folder, 'raylet.sock'), '')
  const fixture = join(import.meta.dirname, 'sentinel-fixture.ts')
  const child = spawn(process.execPath, [fixture, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const [endless = 0, forgotten = 0] = line.toString().trim().split(' ').map(Number)
  expect(isRunning(endless)).toBe(true)
  child.kill('SIGKILL')
  try {
    await until(() => !isRunning(endless) && !existsSync(folder))
    // G1: what was said to have ended may be anybody's by now.
    expect(isRunning(forgotten)).toBe(true)
  } finally {
    process.kill(forgotten, 'SIGKILL')
  }
})
