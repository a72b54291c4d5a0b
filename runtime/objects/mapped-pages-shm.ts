// What this process has mapped at an address, as the kernel tells. A mapped address alone proves
// nothing: once V8 has unmapped a buffer, anything may be given its place.
// Linux 6.11 and later answer for one address in a microsecond (PROCMAP_QUERY), whatever else is
// mapped. Before, the whole list of mappings is read, once for all pages that are asked about.
// Source: Linux Documentation/filesystems/proc.rst, include/uapi/linux/fs.h.
import { openSync, readFileSync } from 'node:fs'
import { ioctl, isMapped } from './libc-shm.ts'

/** _IOWR(0x66, 17, struct procmap_query); the same on x64 and arm64. */
const PROCMAP_QUERY = 0xc0686611
const QUERY_BYTES = 104
/** Where its fields are. */
const AT = { size: 0, address: 16, start: 24, fileOffset: 56, inode: 64 }
const ENOENT = 2

/** A page of a file that may be mapped at an address. */
export interface MappedPage {
  readonly address: number
  readonly fileOffset: number
}

/**
 * Those of `pages` at whose address this process still maps that page of the file.
 * @param inode  of the file.
 * @param ask  how one address is asked about. Test seam: a kernel that cannot say.
 */
export function stillMapped<T extends MappedPage>(
  inode: number,
  pages: Iterable<T>,
  ask: typeof askKernel = askKernel,
): T[] {
  const mapped: T[] = []
  const unsure: T[] = []
  for (const page of pages) {
    const answer = ask(inode, page)
    if (answer === true) mapped.push(page)
    else if (answer === undefined && isMapped(page.address)) unsure.push(page)
  }
  if (unsure.length === 0) return mapped
  const ranges = rangesIn(readFileSync('/proc/self/maps', 'latin1'), inode)
  return [...mapped, ...unsure.filter((page) => isAmong(ranges, page))]
}

const query = new DataView(new ArrayBuffer(QUERY_BYTES))
const queryBytes = new Uint8Array(query.buffer)
/** Of /proc/self/maps, for as long as the process lives. False: this kernel cannot be asked. */
let maps: number | false | undefined

/** @returns undefined when this kernel cannot say. */
function askKernel(inode: number, { address, fileOffset }: MappedPage): boolean | undefined {
  maps ??= openSync('/proc/self/maps', 'r')
  if (maps === false) return undefined
  queryBytes.fill(0)
  query.setBigUint64(AT.size, BigInt(QUERY_BYTES), true)
  query.setBigUint64(AT.address, BigInt(address), true)
  const errno = ioctl(maps, PROCMAP_QUERY, queryBytes)
  if (errno === ENOENT) return false
  if (errno !== 0) {
    maps = false
    return undefined
  }
  const start = Number(query.getBigUint64(AT.start, true))
  const foundOffset = Number(query.getBigUint64(AT.fileOffset, true)) + (address - start)
  return Number(query.getBigUint64(AT.inode, true)) === inode && foundOffset === fileOffset
}

interface MappedRange extends MappedPage {
  readonly end: number
}

const RANGE = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)/

/** Where the list says that the file of that inode is mapped, in the order of addresses. */
function rangesIn(list: string, inode: number): MappedRange[] {
  const ranges: MappedRange[] = []
  for (const line of list.split('\n')) {
    const [, start, end, fileOffset, owner] = RANGE.exec(line) ?? []
    if (start === undefined || end === undefined || fileOffset === undefined) continue
    if (Number(owner) !== inode) continue
    ranges.push({
      address: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      fileOffset: Number.parseInt(fileOffset, 16),
    })
  }
  return ranges
}

/** The kernel joins neighbouring ranges, so a page may lie in the middle of one. */
function isAmong(ranges: readonly MappedRange[], { address, fileOffset }: MappedPage): boolean {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle]?.end ?? Infinity) > address) high = middle
    else low = middle + 1
  }
  const range = ranges[low]
  if (range === undefined || range.address > address) return false
  return range.fileOffset + (address - range.address) === fileOffset
}
