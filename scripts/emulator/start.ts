// Starts an emulator on a free port of this machine. It ends with stop(), or with this process,
// however that ends: a shell holds a pipe from here, and when the pipe closes it kills the emulator
// and removes its folder.
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../bench/free-port.ts'
import { ENGINES, installEngine, type EngineName } from './engines.ts'

const READY_MS_MAX = 60_000
const POLL_MS = 50
/** The emulator is a child of the shell, which waits for the pipe on its descriptor 3. */
const GUARD = [
  '"$@" </dev/null & child=$!',
  'cat <&3 >/dev/null',
  'exec 2>/dev/null', // a dead starter reads nothing: telling it of the kill would end the shell
  'kill -9 $child; wait $child',
  'rm -rf "$TMPDIR"',
].join('\n')

export interface Emulator {
  readonly engine: EngineName
  readonly endpoint: string
  stop(): Promise<void>
}

export interface StartOptions {
  /** Default, or 0: a free one. */
  readonly port?: number
}

/** @returns the emulator, answering, or why it cannot be had. */
export async function startEngine(
  engine: EngineName,
  options: StartOptions = {},
): Promise<Emulator | { missing: string }> {
  const installed = await installEngine(engine)
  if ('missing' in installed) return installed
  const port = options.port === undefined || options.port === 0 ? await freePort() : options.port
  const { command, args, env } = ENGINES[engine].launch(installed.folder, port)
  const folder = mkdtempSync(join(tmpdir(), 'virga-emulator-'))
  const shell = spawn('/bin/sh', ['-c', GUARD, 'sh', command, ...args], {
    cwd: folder,
    env: { ...process.env, ...env, TMPDIR: folder, S3_DATA_DIR: join(folder, 's3') },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<void>((resolve) =>
    shell.once('exit', () => {
      resolve()
    }),
  )
  let said = ''
  shell.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000)
  })
  const stop = async (): Promise<void> => {
    shell.stdio[3]?.destroy()
    await exited
  }
  const endpoint = `http://127.0.0.1:${String(port)}`
  try {
    await answering(endpoint)
  } catch (error) {
    await stop()
    throw new Error(`${engine} did not start: ${said}`, { cause: error })
  }
  return { engine, endpoint, stop }
}

async function answering(endpoint: string): Promise<void> {
  const endMs = Date.now() + READY_MS_MAX
  for (;;) {
    try {
      await fetch(endpoint, { signal: AbortSignal.timeout(2_000) })
      return
    } catch (error) {
      if (Date.now() > endMs) throw error
      await delay(POLL_MS)
    }
  }
}
