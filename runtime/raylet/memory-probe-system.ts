// Memory as Linux tells it in /proc and the cgroup; elsewhere nothing is told and nothing watched.
import { readFileSync } from 'node:fs'
import type { MemoryProbe, MemoryReading, ProcessMemory } from './memory-probe.ts'

const KIB = 1024

export const systemMemoryProbe: MemoryProbe = {
  read(pids) {
    const node = nodeMemory()
    if (node === undefined) return undefined
    const processes = new Map<number, ProcessMemory>()
    for (const pid of pids) {
      const memory = processMemory(pid)
      if (memory !== undefined) processes.set(pid, memory)
    }
    return { ...node, processes }
  },
}

function nodeMemory(): Omit<MemoryReading, 'processes'> | undefined {
  const text = readText('/proc/meminfo')
  if (text === undefined) return undefined
  const totalBytes = fieldOf(text, 'MemTotal')
  const availableBytes = fieldOf(text, 'MemAvailable')
  if (totalBytes === 0) return undefined
  const machine = { usedBytes: totalBytes - availableBytes, totalBytes }
  const group = cgroupMemory()
  return group !== undefined && group.totalBytes < totalBytes ? group : machine
}

/** Version 2, then version 1. What can be dropped at once (inactive files) is not in use. */
function cgroupMemory(): Omit<MemoryReading, 'processes'> | undefined {
  const folders = ['/sys/fs/cgroup', '/sys/fs/cgroup/memory'] as const
  for (const [index, folder] of folders.entries()) {
    const second = index === 0
    const limit = readText(`${folder}/${second ? 'memory.max' : 'memory.limit_in_bytes'}`)
    const used = readText(`${folder}/${second ? 'memory.current' : 'memory.usage_in_bytes'}`)
    const totalBytes = Number(limit)
    if (limit === undefined || used === undefined || !Number.isSafeInteger(totalBytes)) continue
    const stat = readText(`${folder}/memory.stat`) ?? ''
    const droppable = /^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1]
    return { usedBytes: Math.max(0, Number(used) - Number(droppable ?? 0)), totalBytes }
  }
  return undefined
}

function processMemory(pid: number): ProcessMemory | undefined {
  const text = readText(`/proc/${String(pid)}/status`)
  if (text === undefined) return undefined
  // Without what it merely reads of the object store. Kernels before 4.5 do not tell.
  const rssBytes = fieldOf(text, 'RssAnon') || fieldOf(text, 'VmRSS')
  return { rssBytes, peakRssBytes: fieldOf(text, 'VmHWM') }
}

function fieldOf(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
  return match === null ? 0 : Number(match[1]) * KIB
}

/** Undefined when it is not there: another system, or a process that has ended. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
