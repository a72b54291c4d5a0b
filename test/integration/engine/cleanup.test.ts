// Nothing is left behind, however a program ends: no process, no file in /dev/shm, no socket, no
// folder. Each program has a runtime folder of its own, by which its processes are told, and one
// for temporary files. What it has in /dev/shm has no name: it goes with the last of its processes.
// The programs run beside each other: two wait ten seconds for a raylet to give up.
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { processesWith } from '../../support/processes-with.ts'
import { until } from '../../support/waiting.ts'

const PROGRAM = join(import.meta.dirname, 'fixtures/leaves.ts')
const DRAINS = join(import.meta.dirname, 'fixtures/drains.ts')

interface Started {
  readonly child: ChildProcess
  readonly raylet: number
  readonly actor: number
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  readonly output: { text: string }
}

/** Where one program runs, and what is there of it. */
class Place {
  readonly runtimeDir = mkdtempSync(join(tmpdir(), 'virga-cleanup-'))
  readonly #temporaryDir = join(this.runtimeDir, 'tmp')
  readonly #shmBefore = new Set(readdirSync('/dev/shm'))

  constructor() {
    mkdirSync(this.#temporaryDir)
  }

  spawn(program: string, ...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
    const { VITEST: _vitest, ...env } = process.env
    return spawn(process.execPath, [program, ...args], {
      env: { ...env, XDG_RUNTIME_DIR: this.runtimeDir, TMPDIR: this.#temporaryDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  async start(how: string, program = PROGRAM): Promise<Started> {
    const child = this.spawn(program, how)
    const output = { text: '' }
    child.stdout.on('data', (chunk: Buffer) => (output.text += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output.text += chunk.toString()))
    const ended = endOf(child)
    await until(() => output.text.includes('}\n') || child.exitCode !== null)
    const line = output.text.split('\n').find((each) => each.startsWith('{'))
    if (line === undefined) throw new Error(`the program did not start: ${output.text}`)
    return { child, ended, output, ...(JSON.parse(line) as { raylet: number; actor: number }) }
  }

  /** Every process that was started with its runtime folder. */
  processes(): number[] {
    return processesWith('XDG_RUNTIME_DIR', this.runtimeDir)
  }

  sessions(): string[] {
    const folder = join(this.runtimeDir, 'virga')
    return existsSync(folder) ? readdirSync(folder) : []
  }

  /** Node keeps what it has compiled there, for the next program. */
  temporaryFiles(): string[] {
    return readdirSync(this.#temporaryDir).filter((name) => name !== 'node-compile-cache')
  }

  newInShm(): string[] {
    const names = readdirSync('/dev/shm')
    return names.filter((name) => name.includes('virga') && !this.#shmBefore.has(name))
  }

  async expectNothingLeft(): Promise<void> {
    await until(() => this.processes().length === 0)
    await until(() => this.sessions().length === 0)
    await until(() => this.newInShm().length === 0)
    expect(this.temporaryFiles()).toEqual([])
  }

  remove(): void {
    for (const pid of this.processes()) process.kill(pid, 'SIGKILL')
    rmSync(this.runtimeDir, { recursive: true })
  }
}

/** Where there is no /proc to tell, or no shared memory is wanted, nothing is asked of it. */
function usesSharedMemory(pid: number): boolean {
  if (process.platform !== 'linux' || process.env['VIRGA_OBJECT_STORE'] === 'file') return true
  return readFileSync(`/proc/${String(pid)}/maps`, 'latin1').includes('/dev/shm/')
}

function endOf(child: ChildProcess): Started['ended'] {
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
}

const it = test.extend<{ place: Place }>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads from the pattern what a fixture needs
  place: async ({}, use) => {
    const place = new Place()
    await use(place)
    place.remove()
  },
}).concurrent

describe('nothing is left behind', () => {
  it('F70 after a SIGKILL of the driver before it said hello to its raylet', async ({ place }) => {
    const ended = endOf(place.spawn(join(import.meta.dirname, 'fixtures/dies-early.ts')))
    expect(await ended).toEqual({ code: null, signal: 'SIGKILL' })
    expect(place.processes().length).toBeGreaterThan(0) // the raylet still waits for it
    await place.expectNothingLeft()
  })

  it('after a SIGTERM of the raylet with a task that never ends', async ({ place }) => {
    const { ended, raylet } = await place.start('wait')
    process.kill(raylet, 'SIGTERM')
    expect(await ended).toEqual({ code: 7, signal: null })
    await place.expectNothingLeft()
  })

  it('after the program has run to its end', async ({ place }) => {
    const { ended, raylet, actor } = await place.start('return')
    expect(raylet).not.toBe(actor)
    expect(await ended).toEqual({ code: 0, signal: null })
    await place.expectNothingLeft()
  })

  it('while it runs there is something: this test sees it', async ({ place }) => {
    const { child, ended, raylet, actor } = await place.start('wait')
    expect(place.processes()).toEqual(expect.arrayContaining([child.pid, raylet, actor]))
    expect(place.processes().length).toBeGreaterThanOrEqual(5)
    expect(place.sessions().length).toBeGreaterThan(0)
    expect(usesSharedMemory(raylet)).toBe(true)
    child.kill('SIGKILL')
    await ended
    await place.expectNothingLeft()
  })

  it('after Ctrl-C', async ({ place }) => {
    const { child, ended } = await place.start('wait')
    child.kill('SIGINT')
    expect(await ended).toEqual({ code: null, signal: 'SIGINT' })
    await place.expectNothingLeft()
  })

  it('after Ctrl-C on a terminal, which every process of the foreground hears', async ({
    place,
  }) => {
    const { child, ended, actor } = await place.start('wait')
    process.kill(actor, 'SIGINT')
    child.kill('SIGINT')
    await ended
    await place.expectNothingLeft()
  })

  it('after an uncaught error', async ({ place }) => {
    const { ended, output } = await place.start('throw')
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(output.text).toContain('the program failed')
    await place.expectNothingLeft()
  })

  it('after process.exit()', async ({ place }) => {
    const { ended } = await place.start('exit')
    expect(await ended).toEqual({ code: 3, signal: null })
    await place.expectNothingLeft()
  })

  it('F70 after a SIGKILL of the driver', async ({ place }) => {
    const { child, ended } = await place.start('wait')
    child.kill('SIGKILL')
    await ended
    await place.expectNothingLeft()
  })

  it('F05 after a SIGKILL of the raylet; what the driver awaits fails with NodeDiedError', async ({
    place,
  }) => {
    const { ended, raylet, output } = await place.start('wait')
    process.kill(raylet, 'SIGKILL')
    expect(await ended).toEqual({ code: 7, signal: null })
    expect(output.text).toContain('"error":"NodeDiedError"')
    const told = Array.from({ length: 4 }, () => 'NodeDiedError')
    expect(output.text).toContain(JSON.stringify({ later: told }).slice(1))
    await place.expectNothingLeft()
  })

  it('F06 after a SIGTERM of the raylet: what runs ends and is read, the rest fails with NodeDiedError', async ({
    place,
  }) => {
    const folder = mkdtempSync(join(place.runtimeDir, 'drains-'))
    const { ended, raylet, output } = await place.start(folder, DRAINS)
    await until(() => readdirSync(folder).length === 2)
    process.kill(raylet, 'SIGTERM')
    await until(() => output.text.includes('"waiting"'))
    writeFileSync(join(folder, 'go'), '')
    expect(await ended).toEqual({ code: 0, signal: null })
    const lines = output.text.split('\n').filter((line) => line.startsWith('{"what"'))
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      expect.arrayContaining([
        { what: 'running', value: 'in-task' },
        { what: 'called', value: 'in-actor' },
        { what: 'waiting', error: 'NodeDiedError' },
        { what: 'lent', value: 'lent' },
        { what: 'later', error: 'NodeDiedError' },
      ]),
    )
    await place.expectNothingLeft()
  })
})
