// The processes of this machine that a test has caused, told by what stands in their environment.
import { readFileSync, readdirSync } from 'node:fs'

/** Ids of those in whose environment the variable has that value; this process is not counted. */
export function processesWith(name: string, value: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter((pid) => environmentOf(pid).includes(`\0${name}=${value}\0`))
}

/** Nothing for a process that ended meanwhile, and for one of another user. */
function environmentOf(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${String(pid)}/environ`, 'latin1')}`
  } catch (error) {
    if (error instanceof Error && 'code' in error) return ''
    throw error
  }
}
