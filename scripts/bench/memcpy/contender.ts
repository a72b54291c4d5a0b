// The column `memcpy`: libc's memcpy into pages of shared memory that were touched before, which is
// all that a put of a large array could ever cost. Linux only.
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import koffi from 'koffi'
import { serveRow, type Workload } from '../contender.ts'
import { LARGE_BYTES, LARGE_GIGABYTES } from '../sizes.ts'

const PROT_READ_WRITE = 3
const MAP_SHARED = 1

function copy(): Workload {
  const libc = koffi.load(null)
  const mmap = libc.func('void *mmap(void *, size_t, int, int, int, int64_t)')
  const memcpy = libc.func('void *memcpy(void *, const void *, size_t)')
  const path = `/dev/shm/virga-memcpy-${process.pid}`
  const fd = openSync(path, 'wx+', 0o600)
  rmSync(path)
  ftruncateSync(fd, LARGE_BYTES)
  const target: unknown = mmap(null, LARGE_BYTES, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  closeSync(fd)
  const source = new BigInt64Array(LARGE_BYTES / 8)
  return { run: () => memcpy(target, source, LARGE_BYTES) as unknown, unitsPerRun: LARGE_GIGABYTES }
}

await serveRow({ 'single client put gigabytes': copy })
