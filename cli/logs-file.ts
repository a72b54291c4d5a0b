// The log files of a session folder. A log is looked up by its name among those that are there;
// what a user types never becomes a path.
// A log is name.log, and name.1.log to name.4.log before it, the oldest last (log-file.ts).
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FollowOptions } from './world.ts'

const FOLLOW_MS = 100

export function names(sessionDir: string): string[] {
  const found = new Set<string>()
  for (const file of readdirSync(join(sessionDir, 'logs'))) {
    const name = /^([\w-]+)(?:\.\d+)?\.log$/.exec(file)?.[1]
    if (name !== undefined) found.add(name)
  }
  return [...found].sort()
}

export async function* read(
  sessionDir: string,
  name: string,
  { follow }: { readonly follow?: FollowOptions },
): AsyncIterable<string> {
  const folder = join(sessionDir, 'logs')
  const older = rotated(folder, name)
  for (const path of older) yield* textOf(path, 0)
  const path = join(folder, `${name}.log`)
  let place = { inode: inodeOf(path), offset: 0 }
  for (;;) {
    for await (const text of textOf(path, place.offset)) {
      place = { ...place, offset: place.offset + Buffer.byteLength(text) }
      yield text
    }
    if (follow === undefined || follow.stopped() || !existsSync(folder)) return
    await sleep(FOLLOW_MS)
    const inode = inodeOf(path)
    if (inode === place.inode) continue
    // Rotated: what was written meanwhile is at the end of the file that was moved away.
    yield* textOf(join(folder, `${name}.1.log`), place.offset)
    place = { inode, offset: 0 }
  }
}

function rotated(folder: string, name: string): string[] {
  const pattern = new RegExp(`^${name}\\.(\\d+)\\.log$`)
  return readdirSync(folder)
    .flatMap((file) => {
      const index = pattern.exec(file)?.[1]
      return index === undefined ? [] : [{ path: join(folder, file), index: Number(index) }]
    })
    .sort((a, b) => b.index - a.index)
    .map(({ path }) => path)
}

async function* textOf(path: string, start: number): AsyncIterable<string> {
  try {
    for await (const chunk of createReadStream(path, { start, encoding: 'utf8' })) {
      yield chunk as string
    }
  } catch (error) {
    // Not written to yet, or gone with its session.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino
