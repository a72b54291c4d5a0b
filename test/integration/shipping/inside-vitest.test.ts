// A user's tests may start a cluster: the functions of the test file itself, and of modules that it
// imports, are found by workers that know nothing of vitest.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { init, remote, shutdown } from 'virga'
import { cube } from './vitest-tasks.ts'

const square = remote((x: number): number => x * x)
const fails = remote((): never => {
  throw new RangeError('a bug in the task')
})

beforeAll(async () => {
  await init({ address: 'local', numCpus: 1 })
})
afterAll(shutdown)

test('functions of the test file run in a worker', async () => {
  expect(await square.run(4)).toBe(16)
})

test('functions of an imported module run in a worker', async () => {
  expect(await cube.run(3)).toBe(27)
})

test('a remote error shows the line of the test file', async () => {
  const error = await fails.run().catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    stack: expect.stringContaining('inside-vitest.test.ts:9:') as string,
  })
})
