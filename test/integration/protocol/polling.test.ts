// Busy polling between two real processes: what it must not cost.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../support/waiting.ts'

const PROGRAM = join(import.meta.dirname, 'fixtures/echo-end.ts')
const ROUND_MS = 250
const ROUNDS = 6

const started: ChildProcess[] = []
const folders: string[] = []

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

class End {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string, undefined>

  private constructor(child: ChildProcess, lines: Interface) {
    this.#child = child
    this.#lines = lines[Symbol.asyncIterator]()
  }

  static async start(role: string, path: string, polling: string): Promise<End> {
    const child = spawn(process.execPath, [PROGRAM, role, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, VIRGA_POLLING: polling },
    })
    started.push(child)
    const end = new End(child, createInterface({ input: child.stdout }))
    expect(await end.#line()).toBe('ready')
    return end
  }

  async ask(command: string): Promise<number> {
    this.#child.stdin?.write(`${command}\n`)
    return Number(await this.#line())
  }

  async #line(): Promise<string> {
    const next: IteratorResult<string, undefined> = await this.#lines.next()
    return next.value ?? ''
  }
}

async function anEcho(polling: 'on' | 'off'): Promise<{ server: End; client: End }> {
  const folder = mkdtempSync(join(tmpdir(), 'virga-echo-'))
  folders.push(folder)
  const path = join(folder, 'echo.sock')
  const server = await End.start('serve', path, polling)
  return { server, client: await End.start('call', path, polling) }
}

/** Processes that never sleep: one more than leave both ends a core of their own. */
function occupyCores(): void {
  for (let i = 0; i < availableParallelism() - 1; i += 1) {
    started.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
  }
}

describe('busy polling between two processes', () => {
  it('uses no CPU once nobody calls', async () => {
    const { server, client } = await anEcho('on')
    expect(await client.ask('call 500')).toBeGreaterThan(0)
    for (const end of [server, client]) {
      // Within any half second of many, because compilers and collectors may still be at work.
      await until(async () => {
        const before = await end.ask('cpu')
        await new Promise((resolve) => setTimeout(resolve, 500))
        return (await end.ask('cpu')) - before < 5
      })
    }
  })

  it('leaves 60 % of the calls that are made without it, where another process wants its core', async () => {
    const pollingEcho = await anEcho('on')
    const sleepingEcho = await anEcho('off')
    occupyCores()
    await pollingEcho.client.ask('call 1500') // until it has learned that it does not pay
    let best = 0
    for (let round = 0; round < ROUNDS && best < 0.6; round += 1) {
      const withPolling = await pollingEcho.client.ask(`call ${ROUND_MS}`)
      best = Math.max(best, withPolling / (await sleepingEcho.client.ask(`call ${ROUND_MS}`)))
    }
    expect(best).toBeGreaterThanOrEqual(0.6)
  })
})
