// What doctor makes of machines that are not fit.
import { describe, expect, it } from 'vitest'
import { checksOf, type Check } from '../../../cli/doctor.ts'
import type { Clusters, Machine } from '../../../cli/world.ts'

const GIB = 1024 ** 3

const good: Machine = {
  platform: 'linux',
  nodeVersion: '22.18.0',
  cpuCount: 4,
  execPath: '/usr/bin/node',
  sharedMemory: () => ({ sizeBytes: 8 * GIB, freeBytes: 8 * GIB }),
  mountOptions: () => ['rw', 'nosuid', 'noexec'],
  koffi: () => Promise.resolve(undefined),
  limits: () => ({ openFiles: 65_536, processes: Infinity }),
  memory: () => ({ totalBytes: 16 * GIB, cgroupBytes: undefined }),
  sessionRoot: () => ({ path: '/tmp/virga-1', freeBytes: 50 * GIB, mode: 0o700 }),
  usage: () => new Map(),
}
const none: Partial<Clusters> = {
  list: () => [],
  leftovers: () => ({ root: '/tmp/virga-1', stale: [] }),
}

async function check(name: string, machine: Partial<Machine>): Promise<Check | undefined> {
  const checks = await checksOf({ ...good, ...machine }, none as Clusters)
  return checks.find((each) => each.name === name)
}

describe('doctor', () => {
  it('finds nothing wrong with a machine that is fit', async () => {
    const checks = await checksOf(good, none as Clusters)
    expect(checks.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(checks.filter(({ advice }) => advice !== undefined)).toEqual([])
  })

  it('fails a Node that cannot run TypeScript by itself', async () => {
    for (const nodeVersion of ['20.19.0', '22.17.1', '18.0.0']) {
      expect((await check('Node', { nodeVersion }))?.state, nodeVersion).toBe('fail')
    }
    for (const nodeVersion of ['22.18.0', '23.0.0', '24.21.0', '100.0.0']) {
      expect((await check('Node', { nodeVersion }))?.state, nodeVersion).toBe('ok')
    }
  })

  it('fails Windows and names WSL; warns of other systems', async () => {
    const windows = await check('system', { platform: 'win32' })
    expect(windows?.state).toBe('fail')
    expect(windows?.advice).toContain('WSL')
    expect((await check('system', { platform: 'darwin' }))?.state).toBe('warn')
  })

  it('warns of shared memory that is missing or small, fails it when read-only', async () => {
    const missing = await check('shared memory', { sharedMemory: () => undefined })
    expect(missing?.state).toBe('warn')
    expect(missing?.advice).toContain('--shm-size')
    const small = { sizeBytes: 64 * 1024 ** 2, freeBytes: 64 * 1024 ** 2 }
    const docker = await check('shared memory', { sharedMemory: () => small })
    expect(docker?.state).toBe('warn')
    expect(docker?.found).toContain('64.0 MiB free of 64.0 MiB')
    const readOnly = await check('shared memory', { mountOptions: () => ['ro'] })
    expect(readOnly?.state).toBe('fail')
  })

  it('says why koffi does not load', async () => {
    const koffi = await check('koffi', { koffi: () => Promise.resolve('no build for riscv64') })
    expect(koffi).toMatchObject({ state: 'warn' })
    expect(koffi?.found).toContain('no build for riscv64')
  })

  it('warns of low limits', async () => {
    const limits = (): ReturnType<Machine['limits']> => ({ openFiles: 1024, processes: 100 })
    expect((await check('open files', { limits }))?.state).toBe('warn')
    expect((await check('processes', { limits }))?.advice).toContain('ulimit -u 4096')
    const unknown = (): ReturnType<Machine['limits']> => ({
      openFiles: undefined,
      processes: undefined,
    })
    expect((await check('open files', { limits: unknown }))?.state).toBe('ok')
  })

  it('counts memory by the cgroup where that is the smaller', async () => {
    const memory = (): ReturnType<Machine['memory']> => ({
      totalBytes: 64 * GIB,
      cgroupBytes: GIB / 2,
    })
    const limited = await check('memory', { memory })
    expect(limited?.state).toBe('warn')
    expect(limited?.found).toContain('512 MiB (limit of the cgroup')
    expect(limited?.advice).toContain('numCpus: 2')
  })

  it('fails where no session folder can be kept', async () => {
    const sessionRoot = (): never => {
      throw new Error('/tmp/virga-1 belongs to somebody else')
    }
    const folder = await check('session folder', { sessionRoot })
    expect(folder).toMatchObject({ state: 'fail', found: '/tmp/virga-1 belongs to somebody else' })
    expect(folder?.advice).toContain('XDG_RUNTIME_DIR')
    const leftovers = sessionRoot
    const checks = await checksOf({ ...good, sessionRoot }, { ...none, leftovers } as never)
    expect(checks.at(-1)).toEqual(folder)
  })
})
