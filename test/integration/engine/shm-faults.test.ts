// What shared memory could be hurt by is harmless (issue item 4): transfer() of a mapped array, a
// reader that is killed, a full /dev/shm.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Queue, WorkerCrashedError, get, init, put, shutdown } from 'virga'
import { storeStats } from '../../support/cluster-view.ts'
import { untilFreed } from '../../support/collect.ts'
import { caught, until } from '../../support/waiting.ts'
import { describeWhere } from '../../support/where.ts'
import { sumArray } from './functions.ts'
import { readsOn, transfers } from './stress-functions.ts'

const MIB = 1024 * 1024
const LARGE = 256 * 1024 // numbers: 2 MiB
const FILLS = join(import.meta.dirname, 'fixtures/fills-shm.ts')

const whereShared = {
  can: process.env['VIRGA_OBJECT_STORE'] !== 'file',
  reason: 'without shared memory nothing could be torn away or stay mapped',
}
describeWhere(whereShared, 'shared memory', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: 32 * MIB })
  })
  afterAll(shutdown)

  it('is not torn away by transfer(): a mapped array refuses, in driver and worker', async () => {
    const ref = await put(new Float64Array(LARGE).fill(5))
    const array = await get(ref)
    expect(() => structuredClone(array, { transfer: [array.buffer] })).toThrow()
    expect(array.at(-1)).toBe(5)
    for (let i = 0; i < 3; i += 1) {
      expect(await transfers.run(ref)).toEqual({ refused: 3, last: 5 })
    }
    expect(await sumArray.run(ref)).toBe(5 * LARGE)
  })

  it('has the value of the call, though an argument is transferred away right after it', async () => {
    const passed = new Float64Array(LARGE).fill(2)
    const sum = sumArray.remote(passed)
    new Float64Array(passed.buffer.transfer()).fill(9)
    expect(await get(sum)).toBe(2 * LARGE)
  })

  it('a put that is transferred away before it is stored is an error, and nothing else', async () => {
    const array = new Float64Array(LARGE).fill(1)
    const stored = caught(put(array), TypeError)
    array.buffer.transfer()
    expect((await stored).message).toContain('detached')
    expect(await get(await put([1]))).toEqual([1])
  })

  it('outlives readers that are killed while they read, and forgets what they held', async () => {
    const ref = await put(new Float64Array(LARGE).fill(4))
    const started = new Queue<number>()
    for (let i = 0; i < 5; i += 1) {
      const reading = readsOn.remote({ ref }, started)
      process.kill(await started.get(), 'SIGKILL')
      await caught(get(reading), WorkerCrashedError)
      expect(await sumArray.run(ref)).toBe(4 * LARGE)
    }
    await until(async () => (await storeStats()).pinnedBytes <= LARGE * 8)
    ref.free()
    await untilFreed()
  })
})

/** A mount of its own for one program: no other sees it, and it goes with the program. */
const IN_A_MOUNT = [
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--mount', 'sh', '-c', 'mount -t tmpfs -o size=24m tmpfs /dev/shm && exec "$0" "$@"'],
] as const

const whereMounted = {
  can: spawnSync('unshare', [...IN_A_MOUNT, 'true']).status === 0,
  reason: 'no mount namespace may be made, to fill it for one program alone',
}
describeWhere(whereMounted, 'a /dev/shm of 24 MB under a store that may take 80', () => {
  it.each([
    ['that the program itself fills', 'small'],
    ['that others have filled before it starts', 'before'],
    ['that others fill when it has started', 'after'],
  ])('%s ends nothing: what has no room is spilled, every byte comes back', async (_, how) => {
    const runtimeDir = mkdtempSync(join(tmpdir(), 'virga-shm-'))
    const { VITEST: _vitest, ...env } = process.env
    const child = spawn('unshare', [...IN_A_MOUNT, process.execPath, FILLS, how], {
      env: { ...env, XDG_RUNTIME_DIR: runtimeDir },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    const code = await new Promise((resolve) => child.on('close', resolve))
    rmSync(runtimeDir, { recursive: true })
    expect(output).toBe('{"right":40}\n')
    expect(code).toBe(0)
  })
})
