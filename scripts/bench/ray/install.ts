// Ray for the bench: a Python environment in the user's cache folder, outside the repository, with
// `ray[client]` and `numpy` from the package index that pip is set up for. Made once.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../cache-folder.ts'

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
  try {
    if (!existsSync(python)) {
      say('Installing ray from PyPI, once.')
      mkdirSync(cache, { recursive: true })
      await run('python3', ['-m', 'venv', venv])
      await run(python, ['-m', 'pip', 'install', '--quiet', 'ray[client]', 'numpy'])
    }
    const { stdout } = await run(python, ['-c', 'import ray; print(ray.__version__)'])
    return { python, version: stdout.trim() }
  } catch (error) {
    // Half an environment would be taken for a whole one the next time.
    rmSync(venv, { recursive: true, force: true })
    const { stderr, message } = error as Error & { stderr?: string }
    const reason = (stderr ?? message).trim().split('\n').at(-1) ?? message
    return `ray could not be installed (${reason})`
  }
}
