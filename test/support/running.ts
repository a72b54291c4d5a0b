// A program that a test has started as a user does: what it has printed by now, and how it ends.
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

/** Its outputs are pipes. */
export type Child = ChildProcessByStdio<Writable | null, Readable, Readable>

export interface Ended {
  /** null: a signal has ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: Child
  /** What it has printed by now. */
  readonly output: { stdout: string; stderr: string }
  /** Resolves when all that it printed has been read. @throws when it could not be started. */
  readonly ended: Promise<Ended>
}

/** For a program whose cluster lies in that folder, not in the one of this test or its user. */
export function envIn(runtimeDir: string): NodeJS.ProcessEnv {
  const { VITEST: _vitest, VIRGA_ADDRESS: _address, FORCE_COLOR: _color, ...env } = process.env
  return { ...env, XDG_RUNTIME_DIR: runtimeDir, NO_COLOR: '1' }
}

export function running(child: Child): Running {
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, ...output })
    })
  })
  return { child, output, ended }
}
