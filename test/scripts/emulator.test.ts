// An emulator ends with whoever started it, by stop() or by SIGKILL, and leaves nothing behind.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installEngine } from '../../scripts/emulator/engines.ts'
import { until } from '../support/waiting.ts'

const installed = await installEngine('ministack')

// Reason: without the engine there is nothing to kill (no Python or package index here).
test.skipIf('missing' in installed)('nothing is left when its starter is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'virga-emulator-test-'))
  const main = join(import.meta.dirname, '../../scripts/emulator/main.ts')
  const starter = spawn(process.execPath, [main, '--port', '0'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  starter.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until(() => said.includes('answers at'))
  const endpoint = /http:\/\/\S+\d/.exec(said)?.[0] ?? ''
  expect((await fetch(endpoint)).status).toBeGreaterThan(0)
  expect(readdirSync(folder)).toHaveLength(1)
  starter.kill('SIGKILL')
  await until(() => readdirSync(folder).length === 0)
  await until(() =>
    fetch(endpoint).then(
      () => false,
      () => true,
    ),
  )
  rmSync(folder, { recursive: true })
  expect(existsSync(folder)).toBe(false)
})
