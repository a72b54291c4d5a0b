// Ray for the bench: a Python environment in the user's cache folder, outside the repository, with
// `ray[client]` and `numpy` from the package index that pip is set up for. Made once; while it is
// being made, a file beside it has the pid of who does that. Whatever fails later, it stays.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../cache-folder.ts'
import { isAlive } from '../../../runtime/common/session-file.ts'

const run = promisify(execFile)

export interface RayInstall {
  readonly python: string
  readonly version: string
}

/** @returns the environment's Python, or in one sentence why there is none. */
export async function installRay(say: (line: string) => void): Promise<RayInstall | string> {
  const cache = cacheFolder('virga-bench')
  const venv = join(cache, 'ray')
  const python = join(venv, 'bin', 'python')
  const installing = join(cache, 'ray.installing')
  /** Half an environment would be taken for a whole one. */
  const removeHalf = (): void => {
    rmSync(venv, { recursive: true, force: true })
    rmSync(installing)
  }
  if (existsSync(installing)) {
    const pid = Number(readFileSync(installing, 'utf8')) // 0: cut short
    if (pid > 0 && isAlive({ pid, startTime: '' }))
      return `process ${pid} installs it now, says ${installing}`
    removeHalf()
  }
  if (!existsSync(python)) {
    say('Installing ray from PyPI, once.')
    mkdirSync(cache, { recursive: true })
    writeFileSync(installing, String(process.pid))
    try {
      await run('python3', ['-m', 'venv', venv])
      await run(python, ['-m', 'pip', 'install', '--quiet', 'ray[client]', 'numpy'])
    } catch (error) {
      removeHalf()
      return `ray could not be installed (${reasonOf(error)})`
    }
    rmSync(installing)
  }
  try {
    const { stdout } = await run(python, ['-c', 'import ray; print(ray.__version__)'])
    return { python, version: stdout.trim() }
  } catch (error) {
    return `ray in ${venv} could not be imported (${reasonOf(error)})`
  }
}

/** The last line of what a program said. */
function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string }
  return (stderr ?? message).trim().split('\n').at(-1) ?? message
}
