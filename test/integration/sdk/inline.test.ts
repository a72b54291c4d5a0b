// Inline mode: the helpers do in one process what they do with workers.
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { ForeignRefError, UsageError, get, init, kill, put, shutdown } from 'virga'
import { thrownBy } from '../../support/thrown-by.ts'
import { resultOf } from '../shipping/run-program.ts'
import { RemoteDoubler, mirrored } from './tasks.ts'

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

test('a ref or handle of a cluster that was left says so, though another was joined', async () => {
  await init({ address: 'inline', numCpus: 1 })
  const [ref, doubler] = [await put(1), await RemoteDoubler.create()]
  expect(await doubler.double.run(2)).toBe(4)
  await shutdown()
  await init({ address: 'inline', numCpus: 1 })
  try {
    await expect(get(ref)).rejects.toThrow(ForeignRefError)
    for (const use of [() => doubler.double.remote(2), () => mirrored.remote([doubler] as never)]) {
      const { message } = thrownBy(use, ForeignRefError)
      expect(message).toContain('ActorHandle(Doubler) is of a cluster that this process has left')
    }
    await expect(kill(doubler)).rejects.toThrow(ForeignRefError)
    expect(inspect(doubler)).toBe('ActorHandle(Doubler)')
  } finally {
    await shutdown()
  }
})
