// How many processes and threads of this machine run or want to run now, from the kernel's own
// count. Linux only: elsewhere undefined, and nobody polls.
import { openSync, readSync } from 'node:fs'

const PATH = '/proc/loadavg'
const TEXT_BYTES_MAX = 128

let fd: number | undefined
const text = Buffer.alloc(TEXT_BYTES_MAX)

export function systemRunnableCount(): number | undefined {
  try {
    fd ??= openSync(PATH, 'r') // kept: a read is then a single call of 5 us
    const length = readSync(fd, text, 0, TEXT_BYTES_MAX, 0)
    // 0.20 0.18 0.12 1/80 11206: the fourth field begins with the number of runnable ones.
    const [, , , threads = ''] = text.toString('latin1', 0, length).split(' ')
    const count = Number.parseInt(threads, 10)
    return Number.isNaN(count) ? undefined : count
  } catch {
    return undefined // no /proc here
  }
}
