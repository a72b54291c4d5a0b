// Ending a cluster whose raylet does not end as it should.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { clustersOf, type ClustersDeps } from '../../../cli/clusters-process.ts'
import { createSessionDir, writeNode } from '../../../runtime/common/session-file.ts'
import type { SessionNode } from '../../../runtime/common/session-node.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
  vi.stubEnv('XDG_RUNTIME_DIR', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

it('removes the folder of one that has died meanwhile, and says that it did not end', async () => {
  const sessionDir = createSessionDir('a')
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const node = { pid, startTime: '1', sessionDir, address: '/none' } as SessionNode
  writeNode(node)
  const clusters = clustersOf({} as ClustersDeps)
  expect(await clusters.ended(node, 0)).toBe(false)
  expect(existsSync(sessionDir)).toBe(false)
  expect(await clusters.ended(node, 0)).toBe(true)
})

it('leaves the process alone that has its pid by now', async () => {
  const sessionDir = createSessionDir('b')
  const node = { pid: process.pid, startTime: 'of another', sessionDir } as SessionNode
  writeNode(node)
  const clusters = clustersOf({} as ClustersDeps)
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  expect(await clusters.ended(node, 0)).toBe(false)
  expect(kill.mock.calls.filter(([, signal]) => signal !== 0)).toEqual([])
  kill.mockRestore()
})
