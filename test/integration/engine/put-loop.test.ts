// References are counted and really free (issue item 4): what is put and dropped in a loop, by a
// driver and by tasks at once, passes through a store that is a small part of it, and nobody's
// memory grows, the raylet's included.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { get, init, nodes, shutdown } from 'virga'
import { medianSlope } from '../../../scripts/bench/soak/median-slope.ts'
import { stateRows, storeStats } from '../../support/cluster-view.ts'
import { scaled } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'
import { HAS_PROC, itWhere } from '../../support/where.ts'
import { putInLoop, putsUntil } from './stress-functions.ts'

const GIB = 2 ** 30
const STORE_BYTES = GIB
const BLOCK_BYTES = GIB / 64
const TOTAL_GIB = scaled(100)
const TOTAL_BYTES = TOTAL_GIB * GIB
/** Of each process's own memory, to what was put. Measured: below 0.0004, which is warming up. */
const GROWTH_SHARE_MAX = 0.002

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virga-put-'))
  await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: STORE_BYTES })
})
afterAll(async () => {
  await shutdown()
  rmSync(folder, { recursive: true })
})

/** Its own: what it maps of the store is not counted. */
function ownBytes(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'latin1')
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
}

itWhere(
  { can: HAS_PROC, reason: 'no /proc tells the memory of other processes' },
  `${String(TOTAL_GIB)} GiB of a driver and two tasks pass through 1 GiB, in steady memory`,
  async () => {
    const stop = join(folder, 'stop')
    const tasks = [0, 1].map(() => putsUntil.remote(stop, BLOCK_BYTES))
    const workerPids = async (): Promise<number[]> => {
      const rows = await stateRows<{ pid: number; state: string }>('workers')
      return rows.filter(({ state }) => state === 'LEASED').map(({ pid }) => pid)
    }
    await until(async () => (await workerPids()).length === tasks.length)
    const [node] = await nodes()
    const watched = [process.pid, Number(node?.pid), ...(await workerPids())]
    const memory = new Map(watched.map((pid) => [pid, [] as [number, number][]]))
    let putBytes = 0
    while (putBytes < TOTAL_BYTES) {
      await putInLoop(4, BLOCK_BYTES)
      const { totals, usedBytes } = await storeStats()
      putBytes = totals['createdBytes'] ?? 0
      expect(usedBytes).toBeLessThanOrEqual(STORE_BYTES)
      for (const pid of watched) memory.get(pid)?.push([putBytes, ownBytes(pid)])
    }
    writeFileSync(stop, '')
    for (const rounds of await get(tasks)) expect(rounds).toBeGreaterThan(8)
    expect((await storeStats()).totals['spilledBytes'] ?? 0).toBeLessThan(STORE_BYTES)
    for (const points of memory.values()) {
      const warm = points.filter(([bytes]) => bytes > TOTAL_BYTES / 4)
      expect(warm.length).toBeGreaterThan(4)
      expect(medianSlope(warm)).toBeLessThan(GROWTH_SHARE_MAX)
    }
  },
  600_000,
)
