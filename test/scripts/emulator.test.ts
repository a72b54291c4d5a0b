// An emulator is installed once for each version, ends with whoever started it, however that ends,
// and leaves nothing behind.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ENGINES, installEngine } from '../../scripts/emulator/engines.ts'
import { until } from '../support/waiting.ts'
import { describeWhere } from '../support/where.ts'

test('each version is installed once, beside the others', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'virga-emulator-test-'))
  vi.stubEnv('XDG_CACHE_HOME', cache)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(cache, { recursive: true })
  })
  const installs: string[] = []
  const install = (folder: string, version: string): Promise<void> => {
    mkdirSync(folder)
    installs.push(version)
    return Promise.resolve()
  }
  const { launch } = ENGINES.moto
  const answers: unknown[] = []
  for (const version of ['1', '2', '1']) {
    answers.push(await installEngine('moto', { version, install, launch }))
  }
  expect(installs).toEqual(['1', '2'])
  expect(answers[0]).toEqual({ folder: expect.stringContaining(cache) as unknown })
  expect(answers[1]).not.toEqual(answers[0])
  expect(answers[2]).toEqual(answers[0])
})

const installed = await installEngine('ministack')

const isThere = { can: !('missing' in installed), reason: 'no engine to end (no Python here)' }
describeWhere(isThere, 'an engine that runs', () => {
  test.each([
    ['its starter is killed', 1, 'SIGKILL'],
    ['its starter and all of its process group are killed, as by Ctrl-C', -1, 'SIGINT'],
  ] as const)('nothing is left when %s', async (_, sign, signal) => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-emulator-test-'))
    const main = join(import.meta.dirname, '../../scripts/emulator/main.ts')
    const starter = spawn(process.execPath, [main, '--port', '0'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    let said = ''
    starter.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await until(() => said.includes('answers at'))
    const endpoint = /http:\/\/\S+\d/.exec(said)?.[0] ?? ''
    expect((await fetch(endpoint)).status).toBeGreaterThan(0)
    expect(readdirSync(folder)).toHaveLength(1)
    if (starter.pid === undefined) throw new Error('the emulator was not started')
    process.kill(sign * starter.pid, signal)
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
})
