// `npm run sim` as it is typed: it refuses what it cannot run, and ends with 1 when a seed fails.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, '../../scripts/sim.ts')
const sim = (...args: string[]): Promise<{ stdout: string }> =>
  promisify(execFile)(process.execPath, [main, ...args])

test.each([
  [['--plant', 'grant more than is free', '--seed', '1'], 'grants more than is free'],
  [['--plant', 'toString', '--seed', '1'], "not 'toString'"],
  [['--seeds', 'abc'], '--seeds takes a whole number of at least 1'],
  [['--seeds', '0'], '--seeds takes a whole number of at least 1'],
  [['--seed', ''], '--seed takes a whole number of at least 0'],
  [['--from', '1.5'], '--from takes a whole number of at least 0'],
  [['--sed', '1'], '--sed'],
  [['--parts', 'actors'], 'give --nodes, too'],
  [['--rests'], 'give --nodes, too'],
  [['--story', 'task'], 'give --seed, too'],
])('%j is refused, with what to give instead', async (args, said) => {
  await expect(sim(...args)).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(said) as unknown,
  })
})

test('--help tells all options', async () => {
  const { stdout } = await sim('--help')
  for (const option of ['--seeds', '--parts', '--rests', '--story'])
    expect(stdout).toContain(option)
})

test('a seed that fails ends it with 1, one that does not with 0', async () => {
  const { stdout } = await sim('--seed', '1')
  expect(stdout).toContain(': ok\n')
  const planted = ['--plant', 'does not give back what a lease held']
  await expect(sim('--seed', '1', ...planted)).rejects.toMatchObject({ code: 1 })
  await expect(sim('--from', '1', '--seeds', '1', ...planted)).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining('1 seeds, 1 failed') as unknown,
  })
})

test('so few seeds that chance decides tell a probe they never hit, and fail for none', async () => {
  const { stdout } = await sim('--seeds', '1')
  expect(stdout).toContain('1 seeds, 0 failed')
  expect(stdout).toContain('never hit: ')
})
