// A disk that fails on demand, over the real one: full by its own word, full in the middle of a
// write, broken, or slow.
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises'
import type { SpillDisk } from '../../../runtime/objects/spill-file.ts'

export interface FailingDisk extends SpillDisk {
  /** What statfs says is free while it is full. */
  freeBytes: number
  isFull: boolean
  /** The code with which every write fails after the first `failAfterBytes`. */
  writeError: string | undefined
  failAfterBytes: number
  openError: string | undefined
  readError: string | undefined
  unlinkError: string | undefined
}

export function diskOf({ freeBytes = 0 }: { readonly freeBytes?: number } = {}): FailingDisk {
  const disk: FailingDisk = {
    freeBytes,
    isFull: true,
    writeError: undefined,
    failAfterBytes: 0,
    openError: undefined,
    readError: undefined,
    unlinkError: undefined,
    async open(...args) {
      if (disk.openError !== undefined) throw systemError(disk.openError, 'open')
      return withFailures(await open(...args), disk)
    },
    async unlink(path) {
      if (disk.unlinkError !== undefined) throw systemError(disk.unlinkError, 'unlink')
      await unlink(path)
    },
    async statfs(path) {
      const { bsize, blocks, bavail } = await statfs(path)
      return { bsize, blocks, bavail: disk.isFull ? Math.floor(disk.freeBytes / bsize) : bavail }
    },
  }
  return disk
}

export function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: injected, ${syscall}`), { code, syscall })
}

function withFailures(file: FileHandle, disk: FailingDisk): FileHandle {
  let writtenBytes = 0
  const write = file.write.bind(file) as (...all: unknown[]) => Promise<unknown>
  const read = file.read.bind(file) as (...all: unknown[]) => Promise<unknown>
  return Object.assign(file, {
    write: ((...all: unknown[]) => {
      const sizeBytes = all[2] as number
      writtenBytes += sizeBytes
      if (disk.writeError !== undefined && writtenBytes > disk.failAfterBytes) {
        return Promise.reject(systemError(disk.writeError, 'write'))
      }
      return write(...all)
    }) as typeof file.write,
    read: ((...all: unknown[]) => {
      if (disk.readError === undefined) return read(...all)
      return Promise.reject(systemError(disk.readError, 'read'))
    }) as typeof file.read,
  })
}
