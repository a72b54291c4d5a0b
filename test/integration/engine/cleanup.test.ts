// Nothing is left behind, however a program ends: no process, no file in /dev/shm, no socket, no
// folder. Each program has a runtime folder of its own, by which its processes are told.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../support/processes-with.ts'
import { until } from '../../support/waiting.ts'

const PROGRAM = join(import.meta.dirname, 'fixtures/leaves.ts')
const DRAINS = join(import.meta.dirname, 'fixtures/drains.ts')

let runtimeDir = ''
let shmBefore = new Set<string>()
beforeEach(() => {
  runtimeDir = mkdtempSync(join(tmpdir(), 'virga-cleanup-'))
  shmBefore = new Set(readdirSync('/dev/shm'))
})
afterEach(() => {
  for (const pid of processes()) process.kill(pid, 'SIGKILL')
  rmSync(runtimeDir, { recursive: true })
})

interface Started {
  readonly child: ChildProcess
  readonly raylet: number
  readonly actor: number
  readonly ended: Promise<{ code: number | null; signal: string | null }>
  readonly output: { text: string }
}

async function start(how: string, program = PROGRAM): Promise<Started> {
  const { VITEST: _vitest, ...env } = process.env
  const child = spawn(process.execPath, [program, how], {
    env: { ...env, XDG_RUNTIME_DIR: runtimeDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { text: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.text += chunk.toString()))
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
  await until(() => output.text.includes('}\n') || child.exitCode !== null)
  const line = output.text.split('\n').find((each) => each.startsWith('{'))
  if (line === undefined) throw new Error(`the program did not start: ${output.text}`)
  return { child, ended, output, ...(JSON.parse(line) as { raylet: number; actor: number }) }
}

/** Every process that was started with the runtime folder of this test. */
const processes = (): number[] => processesWith('XDG_RUNTIME_DIR', runtimeDir)

function sessions(): string[] {
  const folder = join(runtimeDir, 'virga')
  return existsSync(folder) ? readdirSync(folder) : []
}

const newInShm = (): string[] =>
  readdirSync('/dev/shm').filter((name) => name.includes('virga') && !shmBefore.has(name))

async function expectNothingLeft(): Promise<void> {
  await until(() => processes().length === 0)
  await until(() => sessions().length === 0)
  await until(() => newInShm().length === 0)
}

describe('nothing is left behind', () => {
  it('after the program has run to its end', async () => {
    const { ended, raylet, actor } = await start('return')
    expect(raylet).not.toBe(actor)
    expect(await ended).toEqual({ code: 0, signal: null })
    await expectNothingLeft()
  })

  it('while it runs there is something: this test sees it', async () => {
    const { child, ended, raylet, actor } = await start('wait')
    expect(processes()).toEqual(expect.arrayContaining([child.pid, raylet, actor]))
    expect(processes().length).toBeGreaterThanOrEqual(5)
    expect(sessions().length).toBeGreaterThan(0)
    child.kill('SIGKILL')
    await ended
    await expectNothingLeft()
  })

  it('after Ctrl-C', async () => {
    const { child, ended } = await start('wait')
    child.kill('SIGINT')
    expect(await ended).toEqual({ code: null, signal: 'SIGINT' })
    await expectNothingLeft()
  })

  it('after Ctrl-C on a terminal, which every process of the foreground hears', async () => {
    const { child, ended, actor } = await start('wait')
    process.kill(actor, 'SIGINT')
    child.kill('SIGINT')
    await ended
    await expectNothingLeft()
  })

  it('after an uncaught error', async () => {
    const { ended, output } = await start('throw')
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(output.text).toContain('the program failed')
    await expectNothingLeft()
  })

  it('after process.exit()', async () => {
    const { ended } = await start('exit')
    expect(await ended).toEqual({ code: 3, signal: null })
    await expectNothingLeft()
  })

  it('F70 after a SIGKILL of the driver', async () => {
    const { child, ended } = await start('wait')
    child.kill('SIGKILL')
    await ended
    await expectNothingLeft()
  })

  it('F70 after a SIGKILL of the driver before it said hello to its raylet', async () => {
    const { VITEST: _vitest, ...env } = process.env
    const child = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/dies-early.ts')], {
      env: { ...env, XDG_RUNTIME_DIR: runtimeDir },
      stdio: 'inherit',
    })
    const signal = await new Promise((resolve) => {
      child.on('close', (_, by) => {
        resolve(by)
      })
    })
    expect(signal).toBe('SIGKILL')
    expect(processes().length).toBeGreaterThan(0) // the raylet still waits for it
    await expectNothingLeft()
  })

  it('F05 after a SIGKILL of the raylet; what the driver awaits fails with NodeDiedError', async () => {
    const { ended, raylet, output } = await start('wait')
    process.kill(raylet, 'SIGKILL')
    expect(await ended).toEqual({ code: 7, signal: null })
    expect(output.text).toContain('"error":"NodeDiedError"')
    const told = Array.from({ length: 4 }, () => 'NodeDiedError')
    expect(output.text).toContain(JSON.stringify({ later: told }).slice(1))
    await expectNothingLeft()
  })

  it('F06 after a SIGTERM of the raylet: what runs ends and is read, the rest fails with NodeDiedError', async () => {
    const folder = mkdtempSync(join(runtimeDir, 'drains-'))
    const { ended, raylet, output } = await start(folder, DRAINS)
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
    await expectNothingLeft()
  })

  it('after a SIGTERM of the raylet with a task that never ends', async () => {
    const { ended, raylet } = await start('wait')
    process.kill(raylet, 'SIGTERM')
    expect(await ended).toEqual({ code: 7, signal: null })
    await expectNothingLeft()
  })
})
