// Folders that are of use only while who made them runs: they carry its pid, and the next one
// removes those of processes that were killed before they could.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from '../../runtime/common/session-file.ts'

/**
 * Removes what is in `folder` and matches, where the process is gone.
 * @param pattern  of a name; its first group is the pid.
 */
export function sweepLeftovers(folder: string, pattern: RegExp): void {
  for (const name of readdirSync(folder)) {
    const pid = pattern.exec(name)?.[1]
    if (pid === undefined || isAlive({ pid: Number(pid), startTime: '' })) continue
    rmSync(join(folder, name), { recursive: true, force: true })
  }
}
