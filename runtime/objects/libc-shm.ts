// The few calls of libc that Node does not have, through koffi. Loaded at the first large value,
// because most programs' first task needs none. Linux only: the numbers are its own, the same on
// x64 and arm64.
import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'
import { CapacityError, type VirgaError } from '../common/errors.ts'

export const MAP_SHARED = 0x01
export const MAP_PRIVATE = 0x02
const MAP_FIXED = 0x10
const MAP_NORESERVE = 0x4000
const PROT_READ_WRITE = 0x3
const MADV_POPULATE_WRITE = 23
const EINTR = 4
const EINTR_RETRIES_MAX = 100

type Async<A extends readonly unknown[]> = (
  ...args: [...A, (error: Error | null, result: number) => void]
) => void

interface Libc {
  readonly mmap: (...args: [Uint8Array, number, number, number, number, number]) => number
  readonly memcpy: (target: Uint8Array, source: Uint8Array, sizeBytes: number) => unknown
  readonly mincore: (address: number, sizeBytes: number, into: Uint8Array) => number
  readonly madvise: (at: Uint8Array, sizeBytes: number, advice: number) => number
  readonly fallocate: Async<[number, number, number]>
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number
  readonly errno: () => number
  readonly address: (bytes: Uint8Array) => bigint
}

let loaded: Libc | undefined

/** @throws CapacityError when koffi has no build for this machine. `data.reason`: 'no-koffi'. */
export function libc(): Libc {
  loaded ??= load()
  return loaded
}

function load(): Libc {
  let koffi: typeof Koffi
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  } catch (cause) {
    throw noKoffi(cause)
  }
  const library = koffi.load(null)
  // Offsets and lengths are doubles in JavaScript; every arena is far below 2 ** 53 bytes.
  return {
    mmap: library.func('intptr_t mmap(void *, size_t, int, int, int, int64_t)') as Libc['mmap'],
    memcpy: library.func('void *memcpy(void *, const void *, size_t)') as Libc['memcpy'],
    mincore: library.func('int mincore(uintptr_t, size_t, void *)') as Libc['mincore'],
    madvise: library.func('int madvise(void *, size_t, int)') as Libc['madvise'],
    fallocate: library.func('int posix_fallocate(int, int64_t, int64_t)')
      .async as Libc['fallocate'],
    // It is variadic, which makes no difference to a pointer on Linux.
    ioctl: library.func('int ioctl(int, unsigned long, void *)') as Libc['ioctl'],
    errno: () => koffi.errno(),
    address: (bytes) => koffi.address(bytes),
  }
}

const noKoffi = (cause: unknown): VirgaError =>
  new CapacityError(
    'Shared memory needs the package koffi, which cannot be loaded here. Install it again with ' +
      'its optional dependencies, or set VIRGA_OBJECT_STORE=file.',
    { cause, data: { reason: 'no-koffi' } },
  )

/**
 * Lays a range of a file over memory that V8 owns: V8 unmaps it when the buffer is collected, so
 * that no finalizer of ours ever does.
 * @returns false when the system refuses; `bytes` must then not be touched any more.
 */
export function mapOver(
  bytes: Uint8Array,
  flags: typeof MAP_SHARED | typeof MAP_PRIVATE,
  file: { readonly fd: number; readonly offset: number },
): boolean {
  const fixed = flags | MAP_FIXED | MAP_NORESERVE
  const { byteLength } = bytes
  return libc().mmap(bytes, byteLength, PROT_READ_WRITE, fixed, file.fd, file.offset) !== -1
}

/** Fills the page tables of a range in one call, at twice the speed of a fault per page. */
export function populate(bytes: Uint8Array): void {
  // A hint: a kernel before 5.14 refuses it, and the copy that follows faults page by page.
  libc().madvise(bytes, bytes.byteLength, MADV_POPULATE_WRITE)
}

/** @returns 0 or the errno. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return libc().ioctl(fd, request, argument) === -1 ? libc().errno() : 0
}

/** False: nothing is mapped at that address. True: something is, maybe something else by now. */
export function isMapped(address: number): boolean {
  return libc().mincore(address, 1, new Uint8Array(1)) === 0
}

/** Backs [offset, offset + sizeBytes) of a file, off the event loop. @returns 0 or the errno. */
export async function fallocate(fd: number, offset: number, sizeBytes: number): Promise<number> {
  let errno = EINTR
  for (let tries = 0; errno === EINTR && tries < EINTR_RETRIES_MAX; tries++) {
    errno = await new Promise<number>((resolve, reject) => {
      libc().fallocate(fd, offset, sizeBytes, (error, result) => {
        if (error === null) resolve(result)
        else reject(error)
      })
    })
  }
  return errno
}
