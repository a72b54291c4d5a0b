// Facts of this machine, as Linux tells them in /proc and /sys; elsewhere what is not known is
// undefined, and `doctor` says so.
import { readFileSync, statfsSync, statSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { sessionRoot } from '../runtime/common/session-file.ts'
import type { Machine, ProcessUsage } from './world.ts'

const SHARED_MEMORY = '/dev/shm'
/** Of /proc/PID/stat, in every Linux that Node runs on: sysconf(_SC_CLK_TCK). */
const TICKS_PER_SECOND = 100
const KIB = 1024

export const machine: Machine = {
  platform: process.platform,
  nodeVersion: process.versions.node,
  cpuCount: availableParallelism(),
  execPath: process.execPath,
  sharedMemory: () => {
    if (readText('/proc/mounts')?.includes(` ${SHARED_MEMORY} `) !== true) return undefined
    const { blocks, bavail, bsize } = statfsSync(SHARED_MEMORY)
    return { sizeBytes: blocks * bsize, freeBytes: bavail * bsize }
  },
  mountOptions: (path) => {
    const line = readText('/proc/mounts')
      ?.split('\n')
      .findLast((each) => each.split(' ')[1] === path)
    return line?.split(' ')[3]?.split(',')
  },
  koffi: async () => {
    try {
      await import('koffi')
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  },
  limits: () => {
    const text = readText('/proc/self/limits') ?? ''
    return { openFiles: limitOf(text, 'Max open files'), processes: limitOf(text, 'Max processes') }
  },
  memory: () => ({ totalBytes: totalmem(), cgroupBytes: cgroupBytes() }),
  sessionRoot: () => {
    const path = sessionRoot()
    const { bavail, bsize } = statfsSync(path)
    return { path, freeBytes: bavail * bsize, mode: statSync(path).mode & 0o777 }
  },
  usage: (pids) => {
    const found = new Map<number, ProcessUsage>()
    for (const pid of pids) {
      const usage = usageOf(pid)
      if (usage !== undefined) found.set(pid, usage)
    }
    return found
  },
}

function limitOf(text: string, name: string): number | undefined {
  const soft = new RegExp(`^${name}\\s+(\\S+)`, 'm').exec(text)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Infinity : Number(soft)
}

/** Version 2, then version 1. */
function cgroupBytes(): number | undefined {
  const text =
    readText('/sys/fs/cgroup/memory.max') ?? readText('/sys/fs/cgroup/memory/memory.limit_in_bytes')
  const bytes = Number(text)
  return text === undefined || !Number.isSafeInteger(bytes) ? undefined : bytes
}

function usageOf(pid: number): ProcessUsage | undefined {
  const stat = readText(`/proc/${String(pid)}/stat`)
  const status = readText(`/proc/${String(pid)}/status`)
  if (stat === undefined || status === undefined) return undefined
  // The name in parentheses may contain anything: fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const rssKib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0)
  return { cpuMs: (ticks * 1000) / TICKS_PER_SECOND, rssBytes: rssKib * KIB }
}

/** Undefined when it is not there: another system, or a process that has ended. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
