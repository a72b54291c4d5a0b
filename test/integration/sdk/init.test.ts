// init() that fails, and init() again and again: what of a cluster stays behind in its process.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  InvalidEnvError,
  StoppedError,
  UsageError,
  get,
  init,
  isInitialized,
  limiter,
  registerType,
  shutdown,
  type RuntimeEnv,
} from 'virga'
import { caught } from '../../support/waiting.ts'
import { resultOf } from '../shipping/run-program.ts'
import { RemotePlace, forever, square } from './tasks.ts'

const childrenOfThis = (): string[] =>
  readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )

test.each(['inline', 'local'])(
  'an option refused by init() at %s leaves no cluster',
  async (address) => {
    const exitOf = (): unknown => Reflect.get(process, 'exit')
    const exit = exitOf()
    const error = await caught(init({ address, modules: ['no-such-file.ts'] }), UsageError)
    expect(error.message).toContain('no-such-file.ts')
    expect(exitOf()).toBe(exit)
    expect(childrenOfThis()).toEqual([])
    expect(isInitialized()).toBe(false)
  },
)

test.each<[RuntimeEnv, typeof UsageError | typeof InvalidEnvError, string]>([
  [{ npm: ['left-pad@1.3.0'] }, UsageError, 'runtimeEnv.npm'],
  [{ excludes: ['x'] }, UsageError, 'runtimeEnv.excludes'],
  [{ workingDir: '/no/such/folder' }, InvalidEnvError, '/no/such/folder'],
])('init() refuses what it cannot do for workers: %j', async (runtimeEnv, type, names) => {
  const error = await caught(init({ address: 'local', runtimeEnv }), type)
  expect(error.message).toContain(names)
  expect(isInitialized()).toBe(false)
})

test('a type that registerType() refused is not refused again by the next init()', async () => {
  class First {}
  class Second {}
  const codec = { name: 'registered once', encode: () => null, decode: () => new First() }
  await init({ address: 'inline' })
  registerType(First, codec)
  expect(() => {
    registerType(Second, codec)
  }).toThrow(UsageError)
  await shutdown()
  await init({ address: 'inline' })
  await shutdown()
})

test('a driver that cannot come to be ends the raylet that was started for it', async () => {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'virga-init-'))
  try {
    const file = new URL('fixtures/no-driver.ts', import.meta.url).pathname
    const result = await resultOf({ file, env: { XDG_RUNTIME_DIR: runtimeDir } })
    expect(result).toEqual({ error: expect.stringContaining('listen') as string, left: [] })
  } finally {
    rmSync(runtimeDir, { recursive: true })
  }
})

test('clusters started one after another leave no file descriptor open', async () => {
  const cycle = async (): Promise<number> => {
    await init({ address: 'local', numCpus: 1 })
    await shutdown()
    return readdirSync('/proc/self/fd').length
  }
  const first = await cycle() // opens what stays: libc, the event loop's own
  await cycle()
  await cycle()
  expect(await cycle()).toBeLessThanOrEqual(first)
})

test('shutdown() called again ends when the first has, and what is declared meanwhile stays', async () => {
  await init({ address: 'inline' })
  let left = false
  const first = shutdown().then(() => (left = true))
  limiter('declared meanwhile', { concurrency: 1 })
  await shutdown()
  expect(left).toBe(true)
  await first
  expect(() => limiter('declared meanwhile', { concurrency: 2 })).toThrow(UsageError)
})

test('a cluster joined while the last one is being left stays joined', async () => {
  await init({ address: 'local', numCpus: 1 })
  const [raylet = 0] = childrenOfThis().map(Number)
  process.kill(raylet, 'SIGSTOP')
  const left = shutdown()
  try {
    await init({ address: 'inline', numCpus: 1 })
  } finally {
    process.kill(raylet, 'SIGCONT')
  }
  await left
  expect(await square.run(3)).toBe(9)
  await shutdown()
  expect(isInitialized()).toBe(false)
})

test.each(['inline', 'local'])(
  'what is awaited at shutdown() of %s is told that it was called, not that a node died',
  async (address) => {
    await init({ address, numCpus: 1 })
    const running = forever.remote()
    const awaited = [
      get(running),
      square.run(running),
      forever.run(),
      RemotePlace.options({ numCpus: 1 }).create(), // has no CPU to be constructed on
    ]
    const told = Promise.all(awaited.map((each) => caught(each, StoppedError)))
    await shutdown()
    for (const { code, message } of await told) {
      expect(code).toBe('ERR_STOPPED')
      expect(message).toContain('shutdown() was called')
    }
  },
)

test('init() in a folder that was removed says so', () => {
  const dir = mkdtempSync(join(tmpdir(), 'virga-gone-'))
  const program = new URL('../engine/fixtures/prints.ts', import.meta.url).pathname
  const script = `rmdir "$PWD" && exec '${process.execPath}' '${program}' quiet`
  const { status, stderr } = spawnSync('sh', ['-c', script], { cwd: dir, encoding: 'utf8' })
  expect(status).toBe(1)
  expect(stderr).toContain('UsageError: the current folder is gone')
})
