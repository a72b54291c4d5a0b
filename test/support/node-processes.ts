// The processes of a node on this machine: its raylet and its workers.
import { readFileSync } from 'node:fs'
import { isRunning } from './is-running.ts'

/** @param pid  of a raylet that lives. */
export function processesOf(pid: number): number[] {
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
  return [pid, ...children.split(' ').filter(Boolean).map(Number)]
}

/** Nothing, where it ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  if (isRunning(pid)) process.kill(pid, name)
}
