// Whether a process of this machine is there.

/** Of a process that has ended and was not waited for, it is still true. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
