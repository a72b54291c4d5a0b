// What the processes of a contender cost while nobody asks anything of them, from /proc.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const TICKS_PER_SECOND = 100 // USER_HZ, the same on every Linux that Node runs on
const PAGE_BYTES = 4096
const SETTLE_MS = 2000
/** The kernel counts CPU in hundredths of a second, so an idle process is watched for long. */
const ROUNDS_WATCHED = 10

export type Role = 'driver' | 'raylet' | 'worker'

export interface ProcessRow {
  readonly pid: number
  readonly parentPid: number
  readonly cpuSeconds: number
  readonly rssBytes: number
  /** Clock ticks from the machine's start: orders processes by age. */
  readonly startedAtTicks: number
  readonly commandLine: string
}

/**
 * A cluster that nobody asks anything, `pid` being its driver: `cpu` in per cent of one core over
 * all its processes, `cpuTick` the least of it that the kernel tells from nothing; and memory in
 * MB, `rss` and `pss` of all, `workerRss` and `workerPss` of the mean worker. RSS counts a page in
 * every process that has it mapped, so Node's own code counts once per process; PSS divides a page
 * among them.
 * @param worker what a worker's command line contains
 * @param seconds length of a round; it is watched for ten of them
 */
export async function measureIdleCluster(
  pid: number,
  worker: string,
  seconds: number,
): Promise<Record<string, number>> {
  await sleep(SETTLE_MS)
  const before = cpuSecondsOf(pid)
  const startedAtMs = performance.now()
  await sleep(ROUNDS_WATCHED * seconds * 1000)
  const elapsedSeconds = (performance.now() - startedAtMs) / 1000
  const cpu = (100 * (cpuSecondsOf(pid) - before)) / elapsedSeconds
  const tree = processTree(pid)
  const workers = tree.filter((row) => row.commandLine.includes(worker))
  if (workers.length === 0) throw new Error(`no process below ${pid} runs ${worker}`)
  const rssOf = (rows: readonly ProcessRow[]): number =>
    rows.reduce((sum, row) => sum + row.rssBytes, 0) / 1e6
  const pssOf = (rows: readonly ProcessRow[]): number =>
    rows.reduce((sum, row) => sum + pssBytes(row.pid), 0) / 1e6
  return {
    cpu,
    cpuTick: 100 / TICKS_PER_SECOND / elapsedSeconds,
    rss: rssOf(tree),
    pss: pssOf(tree),
    workerRss: rssOf(workers) / workers.length,
    workerPss: pssOf(workers) / workers.length,
  }
}

/** Resident bytes of a process, if it lives: its own, and of shared memory that it has mapped. */
export function residentBytes(pid: number): { ownBytes: number; sharedBytes: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    if (!status.includes('VmRSS')) return undefined // it ended, and its parent has not looked yet
    const sharedBytes = kibibytesOf(status, 'RssShmem') * 1024
    return { ownBytes: kibibytesOf(status, 'VmRSS') * 1024 - sharedBytes, sharedBytes }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** What Linux would give to a program without swapping. */
export function availableBytes(): number {
  return kibibytesOf(readFileSync('/proc/meminfo', 'utf8'), 'MemAvailable') * 1024
}

const pssBytes = (pid: number): number =>
  kibibytesOf(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') * 1024

function kibibytesOf(text: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]
  if (found === undefined) throw new Error(`/proc has no field ${field}`)
  return Number(found)
}

/** What a process of a cluster below a driver is. Its sentinel (D18) is `undefined`. */
export function roleOf({ commandLine }: ProcessRow): Role | undefined {
  if (commandLine.includes('raylet-main')) return 'raylet'
  if (commandLine.includes('worker-main')) return 'worker'
  return commandLine.startsWith('/bin/sh') ? undefined : 'driver'
}

const cpuSecondsOf = (pid: number): number =>
  processTree(pid).reduce((sum, row) => sum + row.cpuSeconds, 0)

/** `pid` and all its descendants. */
export function processTree(pid: number): ProcessRow[] {
  const rows = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)))
  const inTree = new Set([pid])
  for (let grown = true; grown;) {
    const found = rows.filter((row) => inTree.has(row.parentPid) && !inTree.has(row.pid))
    for (const row of found) inTree.add(row.pid)
    grown = found.length > 0
  }
  return rows.filter((row) => inTree.has(row.pid))
}

function readProcess(pid: number): ProcessRow[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces; what follows it begins with the third field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const field = (number: number): number => Number(fields[number - 3])
    return [
      {
        pid,
        parentPid: field(4),
        cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
        startedAtTicks: field(22),
        rssBytes: field(24) * PAGE_BYTES,
        commandLine: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '),
      },
    ]
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** Whether a file of /proc is not there because its process ended meanwhile. */
function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ESRCH'
}
