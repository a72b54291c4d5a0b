// libc's memcpy into pages of shared memory that were touched before. Linux only.
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import koffi from 'koffi'
import { FILLED_WITH } from '../sizes.ts'

const PROT_READ_WRITE = 3
const MAP_SHARED = 1

/** @returns a copy of that many bytes. Its source has pages of its own: zeros would share one. */
export function openCopy(bytes: number): () => unknown {
  const libc = koffi.load(null)
  const mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)')
  const memcpy = libc.func('void *memcpy(void *, const void *, size_t)')
  const path = `/dev/shm/virga-memcpy-${process.pid}`
  const fd = openSync(path, 'wx+', 0o600)
  rmSync(path)
  ftruncateSync(fd, bytes)
  const target: unknown = mmap(null, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  closeSync(fd)
  const source = new BigInt64Array(bytes / 8).fill(FILLED_WITH)
  const copy = (): unknown => memcpy(target, source, bytes)
  copy()
  return copy
}
