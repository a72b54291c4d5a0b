// A program that ends with stop(), or with this process, however that ends: a shell holds a pipe
// from here, and when the pipe closes it ends the program and removes its folder.
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SAID_MAX = 2_000

export interface GuardedOptions {
  readonly command: string
  readonly args: readonly string[]
  /** Beside this process's own; the program's folder is its TMPDIR and working directory. */
  readonly env?: (folder: string) => Readonly<Record<string, string>>
  /** Lines of shell that end it: it is `$child`. */
  readonly end: string
}

export interface Guarded {
  /** Resolves when it has ended and its folder is gone. */
  stop(): Promise<void>
  /** The last of what it wrote to standard error. */
  said(): string
}

export function startGuarded({ command, args, env, end }: GuardedOptions): Guarded {
  const folder = mkdtempSync(join(tmpdir(), 'virga-emulator-'))
  // The shell waits for the pipe on its descriptor 3.
  const guard = [
    '"$@" </dev/null & child=$!',
    'cat <&3 >/dev/null',
    'exec 2>/dev/null', // a dead starter reads nothing: telling it of the kill would end the shell
    end,
    'cd / && rm -rf "$TMPDIR"',
  ].join('\n')
  const shell = spawn('/bin/sh', ['-c', guard, 'sh', command, ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, ...env?.(folder) },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // Of a group of its own: what ends all of this process's (Ctrl-C) would end the shell too.
    detached: true,
  })
  const exited = new Promise<void>((resolve) =>
    shell.once('exit', () => {
      resolve()
    }),
  )
  let said = ''
  shell.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-SAID_MAX)
  })
  return {
    said: () => said,
    stop: async () => {
      shell.stdio[3]?.destroy()
      await exited
    },
  }
}
