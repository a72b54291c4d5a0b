// The memory monitor over real processes, with a probe that says how full the node is: above 95 %
// the newest task that may be run again goes, on a counter of its own (issue item 3).
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OutOfMemoryError, get, init, shutdown, type ObjectRef } from 'virga'
import { OOM_RETRIES_MAX } from '../../../runtime/common/limits.ts'
import type { MemoryProbe } from '../../../runtime/raylet/memory-probe.ts'
import { isRunning } from '../../support/is-running.ts'
import { startProcessNode, type ProcessNode } from '../../support/process-node.ts'
import { caught, until } from '../../support/waiting.ts'
import { waitsForFile } from './stress-functions.ts'

const MIB = 1024 * 1024
/** Each of them takes a third of the node, and the node has room for less than three. */
const hogs = new Set<number>()
const probe: MemoryProbe = {
  read: (pids) => ({
    usedBytes: [...hogs].filter(isRunning).length * 33,
    totalBytes: 100,
    processes: new Map(pids.map((pid) => [pid, { rssBytes: 64 * MIB, peakRssBytes: 64 * MIB }])),
  }),
}

let folder: string
let node: ProcessNode

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virga-pressure-'))
  node = await startProcessNode({ numCpus: 3, memory: probe })
  await init({ address: node.address, logToDriver: false })
})
afterAll(async () => {
  await shutdown()
  await node.stop()
  rmSync(folder, { recursive: true })
})

/** A task that runs until its file is there; resolved once this attempt of it runs. */
async function started(name: string, maxRetries: number): Promise<ObjectRef<number>> {
  const ref = waitsForFile.options({ name, maxRetries }).remote(join(folder, name))
  await pidOf(name, 0)
  return ref
}

async function pidOf(name: string, attempt: number): Promise<number> {
  const file = join(folder, `${name}.${String(attempt)}`)
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '')
  return Number(readFileSync(file, 'utf8'))
}

const letGo = (name: string): void => {
  writeFileSync(join(folder, name), '')
}

test('F65 the newest task that may be run again goes, at no charge to its retries', async () => {
  const older = await started('older', 1)
  const newer = await started('newer', 1)
  const precious = await started('precious', 0)
  hogs.add(await pidOf('older', 0)).add(await pidOf('precious', 0))
  for (let attempt = 0; attempt < 4; attempt += 1) hogs.add(await pidOf('newer', attempt))
  process.kill(await pidOf('newer', 4), 'SIGKILL')
  await pidOf('newer', 5)
  for (const name of ['older', 'newer', 'precious']) letGo(name)
  expect(await get([older, newer, precious])).toEqual([0, 5, 0])
})

test('F65 what is ended for memory again and again fails with OutOfMemoryError', async () => {
  hogs.clear() // workers of the test before live on, idle
  const others = [await started('other', 0), await started('another', 0)]
  hogs.add(await pidOf('other', 0)).add(await pidOf('another', 0))
  const failing = caught(get(await started('hopeless', -1)), OutOfMemoryError)
  for (let attempt = 0; attempt <= OOM_RETRIES_MAX; attempt += 1) {
    hogs.add(await pidOf('hopeless', attempt))
  }
  const error = await failing
  expect(error.data).toMatchObject({ cause: 'MEMORY_PRESSURE', attempts: OOM_RETRIES_MAX + 1 })
  expect(error.message).toContain('hopeless')
  for (const name of ['other', 'another']) letGo(name)
  expect(await get(others)).toEqual([0, 0])
})
