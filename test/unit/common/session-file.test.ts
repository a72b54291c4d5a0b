// Session folders: made for one owner, found by others, swept only when their maker is gone.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  clearCurrent,
  createSessionDir,
  findCurrent,
  isAlive,
  listSessions,
  rayletSocket,
  sessionRoot,
  startTimeOf,
  sweepSessions,
  writeCurrent,
  writeNode,
} from '../../../runtime/common/session-file.ts'
import { UsageError } from '../../../runtime/common/errors.ts'
import type { SessionNode } from '../../../runtime/common/session-node.ts'

let folder = ''
let before: string | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vrun-'))
  before = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = folder
})
afterEach(() => {
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
  else process.env['XDG_RUNTIME_DIR'] = before
  rmSync(folder, { recursive: true, force: true })
})

/** No process has this pid: it is above the kernel's limit. */
const DEAD_PID = 2 ** 22 + 1

function aNode(sessionDir: string, changes: Partial<SessionNode> = {}): SessionNode {
  return {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    address: rayletSocket(sessionDir),
    sessionDir,
    nodeId: '0a',
    epoch: 1,
    ...changes,
  }
}

describe('session folders', () => {
  test('a file of it that cannot be written is told by its name, and what to do', () => {
    const sessionDir = join(folder, 'that is not there')
    const write = (): void => writeNode(aNode(sessionDir))
    expect(write).toThrow(UsageError)
    expect(write).toThrow(`no cluster can be kept in ${join(sessionDir, 'node.json')}: ENOENT`)
    expect(write).toThrow('Free some room there')
  })

  test('the root is for its owner alone, also when it was open before', () => {
    mkdirSync(join(folder, 'virga'), { mode: 0o777 })
    chmodSync(join(folder, 'virga'), 0o777)
    expect(sessionRoot()).toBe(join(folder, 'virga'))
    expect(statSync(sessionRoot()).mode & 0o777).toBe(0o700)
  })

  test('a runtime folder whose sockets would have too long a path is not used', () => {
    process.env['XDG_RUNTIME_DIR'] = join(folder, 'x'.repeat(100))
    expect(sessionRoot()).toMatch(/^\/tmp\/virga-\d+$/)
  })

  test('SF1: folders of the dead are swept, those of the living stay', () => {
    const mine = createSessionDir('mine')
    writeNode(aNode(mine))
    const dead = createSessionDir('dead')
    writeNode(aNode(dead, { pid: DEAD_PID }))
    expect(sweepSessions()).toBe(1)
    expect(existsSync(mine)).toBe(true)
    expect(existsSync(dead)).toBe(false)
  })

  test('SF1: a pid that belongs to another process by now counts as dead', () => {
    const dir = createSessionDir('old')
    writeNode(aNode(dir, { startTime: '1' }))
    expect(isAlive(aNode(dir, { startTime: '1' }))).toBe(process.platform !== 'linux')
    expect(sweepSessions()).toBe(process.platform === 'linux' ? 1 : 0)
  })

  test('SF1: one that is being made, without node.json yet, stays while its maker lives', () => {
    const dir = createSessionDir('new')
    const dead = join(sessionRoot(), `session-${String(DEAD_PID)}-x`)
    mkdirSync(dead)
    expect(sweepSessions()).toBe(1)
    expect(existsSync(dir)).toBe(true)
  })

  test('the current cluster is found while it lives, and forgotten by itself only', () => {
    const dir = createSessionDir('a')
    expect(findCurrent()).toBeUndefined()
    writeCurrent(aNode(dir))
    expect(findCurrent()?.sessionDir).toBe(dir)
    clearCurrent('/elsewhere')
    expect(findCurrent()?.sessionDir).toBe(dir)
    clearCurrent(dir)
    expect(findCurrent()).toBeUndefined()
    writeCurrent(aNode(dir, { pid: DEAD_PID }))
    expect(findCurrent()).toBeUndefined()
    sweepSessions()
    expect(readdirSync(sessionRoot())).toEqual([basename(dir)])
  })

  test('a cluster of several nodes is found by another of them when the first is gone', () => {
    const cluster = 'local-1'
    writeNode(aNode(createSessionDir('program')))
    const second = createSessionDir('second')
    writeNode(aNode(second, { cluster }))
    writeCurrent(aNode(createSessionDir('first'), { cluster, pid: DEAD_PID }))
    expect(findCurrent()?.sessionDir).toBe(second)
  })

  test('listSessions gives the living', () => {
    const mine = createSessionDir('mine')
    writeNode(aNode(mine, { port: 6379 }))
    writeNode(aNode(createSessionDir('dead'), { pid: DEAD_PID }))
    expect(listSessions().map((node) => [node.sessionDir, node.port])).toEqual([[mine, 6379]])
  })

  test('a node.json that is no JSON is as good as none', () => {
    const dir = createSessionDir('torn')
    writeFileSync(join(dir, 'node.json'), '{"pid":')
    expect(listSessions()).toEqual([])
    expect(sweepSessions()).toBe(0)
  })

  test('a folder that cannot be made is told with its path and what to do', () => {
    const name = 'x'.repeat(300) // too long for any file system: as one that is full or read-only
    const make = (): string => createSessionDir(name)
    expect(make).toThrow(UsageError)
    expect(make).toThrow(/no cluster can be kept in .*x.*ENAMETOOLONG.*XDG_RUNTIME_DIR/)
  })
})
