// Inline mode: the helpers do in one process what they do with workers.
import { expect, test } from 'vitest'
import { UsageError, init } from 'virga'
import { resultOf } from '../shipping/run-program.ts'

test('groups, queues, pools, limiters and classes work inline, without a child process', async () => {
  const file = new URL('fixtures/inline.ts', import.meta.url).pathname
  expect(await resultOf({ file })).toEqual({
    grouped: { CPU: 1 },
    items: [0, 1, 2],
    doubled: [2, 4, 6],
    paced: true,
    point: { x: 2, y: 1 },
    processes: { elsewhere: [], started: 0, noticed: 1 },
  })
})

test('VIRGA_ADDRESS may say inline, and init() imports what workers would import', async () => {
  const file = new URL('fixtures/inline-modules.ts', import.meta.url).pathname
  const result = await resultOf({ file, env: { VIRGA_ADDRESS: 'inline' } })
  expect(result).toEqual({ address: 'unix:inline', imported: 'yes' })
})

test.each([{ envVars: { MODE: 'test' } }, { workingDir: '/tmp' }])(
  'an environment of its own is refused, as this process has one for all: %o',
  async (runtimeEnv) => {
    const starting = init({ address: 'inline', runtimeEnv })
    await expect(starting).rejects.toThrow(UsageError)
    await expect(starting).rejects.toThrow('needs a process per worker')
  },
)
