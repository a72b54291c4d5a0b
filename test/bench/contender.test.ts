// The process of a contender: what a row has opened is closed, whatever became of its rounds.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startContender } from '../../scripts/bench/contender-process.ts'

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
