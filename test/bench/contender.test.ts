// The process of a contender: what a row has opened is closed, whatever became of its rounds.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startContender } from '../../scripts/bench/contender-process.ts'
import { until } from '../support/waiting.ts'

const fixture = join(import.meta.dirname, 'fixtures/failing-contender.ts')

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-bench-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

test.each([
  ['a rate', ['contender', 'row']],
  ['a sample', ['contender', 'row']],
  ['a row that cannot be closed', ['contender']],
])('%s tells which round failed, and closes what it has opened', async (row, opened) => {
  const contender = await startContender(
    { program: process.execPath, args: [fixture], env: { OPEN_IN: folder } },
    row,
  )
  expect(readdirSync(folder)).toEqual(opened)
  await expect(contender.ask('round', 0.01)).rejects.toThrow('the round failed')
  await contender.end()
  expect(readdirSync(folder)).toEqual([])
})

test('a bench that is stopped as by Ctrl-C lets its contender close what it has opened', async () => {
  const program = join(import.meta.dirname, 'fixtures/bench-in-a-round.ts')
  const bench = spawn(process.execPath, [program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, OPEN_IN: folder },
    detached: true,
  })
  await once(bench.stdout, 'data')
  expect(readdirSync(folder)).toEqual(['contender', 'row'])
  const exit = once(bench, 'exit')
  process.kill(-(bench.pid ?? 0), 'SIGINT') // the terminal's: to the whole group
  expect(await exit).toEqual([null, 'SIGINT'])
  await until(() => readdirSync(folder).length === 0)
})
