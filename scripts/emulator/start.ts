// Starts an emulator on a free port of this machine. It ends with stop(), or with this process,
// however that ends.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../bench/free-port.ts'
import { ENGINES, installEngine, type EngineName } from './engines.ts'
import { startGuarded } from './guarded.ts'

const READY_MS_MAX = 60_000
const POLL_MS = 50

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
  const process = startGuarded({
    ...{ command, args },
    env: (folder) => ({ ...env, S3_DATA_DIR: join(folder, 's3') }),
    end: 'kill -9 $child; wait $child',
  })
  const endpoint = `http://127.0.0.1:${String(port)}`
  try {
    await answering(endpoint)
  } catch (error) {
    await process.stop()
    throw new Error(`${engine} did not start: ${process.said()}`, { cause: error })
  }
  return { engine, endpoint, stop: () => process.stop() }
}

/** Waits until somebody answers there. */
export async function answering(endpoint: string): Promise<void> {
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
