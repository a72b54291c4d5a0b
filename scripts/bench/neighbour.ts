// What rows of a busy machine have beside them: a process that never sleeps. It ends with the
// bench, also when that is killed; otherwise it would slow down all that is measured after it.
import { spawn } from 'node:child_process'

export interface Neighbour {
  end(): void
}

const NEVER_SLEEPS = 'const bench = Number(process.argv[1]); while (process.ppid === bench);'

export function startNeighbour(): Neighbour {
  const args = ['--eval', NEVER_SLEEPS, String(process.pid)]
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  return { end: () => void child.kill('SIGKILL') }
}
