// One process at a time: two test files may want the same engine installed at once.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 200
const WAIT_MS_MAX = 600_000

/** Runs `work` while this process holds the folder `path`; one left by a dead process is taken. */
export async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const endMs = Date.now() + WAIT_MS_MAX
  while (!taken(path)) {
    if (Date.now() > endMs) throw new Error(`${path} is held for long: remove it`)
    await delay(POLL_MS)
  }
  try {
    await work()
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

function taken(path: string): boolean {
  const owner = join(path, 'pid')
  try {
    mkdirSync(path)
    writeFileSync(owner, String(process.pid))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  if (!isAlive(owner)) rmSync(path, { recursive: true, force: true })
  return false
}

function isAlive(owner: string): boolean {
  try {
    process.kill(Number(readFileSync(owner, 'utf8')), 0)
    return true
  } catch (error) {
    // Not written yet: its maker is about to.
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
