// Running a user's program with this Node, as `node FILE args` would.
// Signals: what the terminal sends (Ctrl-C) reaches the whole foreground group, the program too, so
// it is only waited for; what is sent to this process alone is passed on.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { UsageError } from '../runtime/common/errors.ts'
import type { ProgramOptions, RunningProgram } from './world.ts'

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const

/** @throws UsageError when there is no such file. */
export function run(options: ProgramOptions): RunningProgram {
  const { file, args, onOutput } = options
  if (!existsSync(file)) throw new UsageError(`there is no program '${file}'`)
  const child = spawn(process.execPath, [...process.execArgv, file, ...args], {
    stdio: [
      'inherit',
      onOutput?.stdout ? 'pipe' : 'inherit',
      onOutput?.stderr ? 'pipe' : 'inherit',
    ],
    env: { ...process.env, ...options.env },
  })
  child.stdout?.on('data', (chunk: Buffer) => {
    onOutput?.stdout?.(chunk)
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    onOutput?.stderr?.(chunk)
  })
  const stopPassing = passSignals((signal) => {
    child.kill(signal)
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    // 'close', not 'exit': by then all of its output has been seen.
    child.once('close', (code, signal) => {
      stopPassing()
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
  return { pid: child.pid ?? 0, ended }
}

function passSignals(pass: (signal: NodeJS.Signals) => void): () => void {
  const handlers = PASSED_ON.map((signal) => {
    const handle = (): void => {
      const fromTerminal = signal === 'SIGINT' && process.stdin.isTTY
      if (!fromTerminal) pass(signal)
    }
    process.on(signal, handle)
    return [signal, handle] as const
  })
  return () => {
    for (const [signal, handle] of handlers) process.off(signal, handle)
  }
}
