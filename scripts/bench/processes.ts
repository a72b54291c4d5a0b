// What the processes of a contender cost while nobody asks anything of them, from /proc.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const TICKS_PER_SECOND = 100 // USER_HZ, the same on every Linux that Node runs on
const PAGE_BYTES = 4096
const SETTLE_MS = 2000

export interface ProcessRow {
  readonly pid: number
  readonly parentPid: number
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly commandLine: string
}

/** CPU of a process and all below it, in per cent of one core, over `seconds`. */
export async function measureIdleCpu(pid: number, seconds: number): Promise<number> {
  await sleep(SETTLE_MS)
  const before = cpuSecondsOf(pid)
  const startedAtMs = performance.now()
  await sleep(seconds * 1000)
  const elapsedSeconds = (performance.now() - startedAtMs) / 1000
  return (100 * (cpuSecondsOf(pid) - before)) / elapsedSeconds
}

/** Mean resident memory, in MB, of the processes below `pid` whose command line has `program`. */
export async function measureWorkerRss(pid: number, program: string): Promise<number> {
  await sleep(SETTLE_MS)
  const workers = processTree(pid).filter((row) => row.commandLine.includes(program))
  if (workers.length === 0) throw new Error(`no process below ${pid} runs ${program}`)
  return workers.reduce((sum, row) => sum + row.rssBytes, 0) / workers.length / 1e6
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
        rssBytes: field(24) * PAGE_BYTES,
        commandLine: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '),
      },
    ]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return [] // it ended meanwhile
    throw error
  }
}
