// The bench as a stranger runs it, short: it must measure, compare and write what it promises.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../scripts/bench/report.ts'
import { mean, standardDeviation } from '../../scripts/bench/statistics.ts'
import { ROWS, inUnit } from '../../scripts/bench/rows.ts'

const run = promisify(execFile)
const main = join(import.meta.dirname, '../../scripts/bench/main.ts')
const bench = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [main, ...args])

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-bench-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test('two rows beside the echo, with and without polling: a table on the terminal, and JSON of the promised shape', async () => {
  const json = join(folder, 'out.json')
  const args = [
    '--json',
    json,
    '--only',
    '^single client tasks a?sync$',
    '--seconds',
    '0.2',
    '--with',
    'echo',
  ]
  const { stdout } = await bench(...args)
  expect(stdout).toContain('single client tasks sync')

  const report = JSON.parse(readFileSync(json, 'utf8')) as Report
  expect(report.machine.cores).toBeGreaterThan(0)
  expect(report.machine.node).toBe(process.versions.node)
  expect(report.commit).toMatch(/^[0-9a-f]{7,}\+?$|^unknown$/)
  expect(report.rows.map(({ name }) => name)).toEqual([
    'single client tasks sync',
    'single client tasks async',
  ])
  for (const row of report.rows) {
    expect(row).toMatchObject({ unit: 'tasks/s', ray: null, raySd: null })
    expect(row).toMatchObject({ piscina: null, memcpy: null, bare: null })
    expect(row.value).toBeGreaterThan(0)
    expect(row.sd).toBeGreaterThanOrEqual(0)
    expect(row.echo).toBeGreaterThan(0)
    expect(row.echoPolling).toBeGreaterThan(0)
    expect(row.measured).toEqual({
      seconds: 0.2,
      columns: ['virga', 'echo', 'echoPolling'],
      nodes: 1,
    })
  }
})

test('a file that holds something else is named, and stays as it is', async () => {
  for (const text of ['{"rows": [', '[1]']) {
    const json = join(folder, 'broken.json')
    writeFileSync(json, text)
    await expect(bench('--json', json, '--with', 'none')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^\S+broken\.json holds no results of the bench: .+\n$/,
      ) as unknown,
    })
    expect(readFileSync(json, 'utf8')).toBe(text)
  }
})

test('a pattern that matches nothing, and a column there is not, are told with what there is', async () => {
  await expect(bench('--only', 'no such row')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('single client tasks sync') as unknown,
  })
  await expect(bench('--with', 'dask')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("not 'dask'") as unknown,
  })
})

test('rows that are times are turned from rates', () => {
  const get = ROWS.find(({ name }) => name === 'single client get 800 MB')
  const tasks = ROWS.find(({ name }) => name === 'single client tasks sync')
  if (get === undefined || tasks === undefined) throw new Error('the rows were renamed')
  expect(inUnit(get, 20_000)).toBe(50)
  expect(inUnit(tasks, 20_000)).toBe(20_000)
  expect(standardDeviation([2, 4])).toBe(1)
  expect(mean([])).toBeNull()
})
