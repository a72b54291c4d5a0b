// The busy neighbour of a bench that dies without a word does not slow down what runs after it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { processTree } from '../../scripts/bench/processes.ts'
import { until } from '../support/waiting.ts'

const FIXTURE = join(import.meta.dirname, 'fixtures/starts-neighbour.ts')

/** One that ended and that nobody has waited for has no command line. */
const isAwake = (pid: number): boolean => processTree(pid).some((row) => row.commandLine !== '')

test('the neighbour ends with the bench, also when that is killed', async () => {
  const bench = spawn(process.execPath, [FIXTURE], { stdio: 'ignore' })
  const neighbour = (): number | undefined =>
    processTree(bench.pid ?? 0).find((row) => row.commandLine.includes(' --eval '))?.pid
  await until(() => neighbour() !== undefined)
  const pid = neighbour() ?? 0
  expect(isAwake(pid)).toBe(true)
  const exit = once(bench, 'exit')
  bench.kill('SIGKILL')
  await exit
  await until(() => !isAwake(pid))
})
