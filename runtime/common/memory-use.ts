// Who used the memory when a worker had to go for it, in words for error messages.

/** What a node saw when it ended a worker for its memory. */
export interface MemoryUse {
  readonly usedBytes: number
  readonly totalBytes: number
  /** What the worker itself was allowed, if its lease has a limit. */
  readonly limitBytes: number | undefined
  /** The workers that used most, the largest first. */
  readonly top: readonly MemoryUser[]
}

export interface MemoryUser {
  readonly name: string
  readonly pid: number
  readonly rssBytes: number
}

/** How many are named: enough to see whether it is one task or all of them. */
export const TOP_MEMORY_USERS = 5

/** `The node used 15600 of 16000 MB; most by hog (pid 12) 9000 MB, square (pid 13) 80 MB. `, or ''. */
export function describeMemoryUse(use: MemoryUse | undefined): string {
  if (use === undefined) return ''
  const limit = use.limitBytes === undefined ? '' : `Its limit was ${megabytes(use.limitBytes)}. `
  const top = use.top
    .map(({ name, pid, rssBytes }) => `${name} (pid ${String(pid)}) ${megabytes(rssBytes)}`)
    .join(', ')
  const most = top === '' ? '' : `; most by ${top}`
  const total = `${megabytes(use.usedBytes)} of ${megabytes(use.totalBytes)}`
  return `${limit}The node used ${total}${most}. `
}

export function megabytes(bytes: number): string {
  return `${String(Math.round(bytes / 1e6))} MB`
}
