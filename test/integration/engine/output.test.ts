// What workers print reaches their driver (issue item 11): told whose it is, repeated lines folded,
// and a flood of it harmless (B47).
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scaled } from '../../support/scale.ts'

const PROGRAM = join(import.meta.dirname, 'fixtures/prints.ts')
const GIB = 1024 ** 3

interface Printed {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function printed(...args: readonly string[]): Promise<Printed> {
  const { VITEST: _vitest, ...env } = process.env
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk))
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  return { code, ...text }
}

describe('output of workers', () => {
  it('comes prefixed with name and pid, on the stream it was written to', async () => {
    const { code, stdout, stderr } = await printed('lines')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\(speak pid=\d+\) out one$/m)
    expect(stderr).toMatch(/^\(speak pid=\d+\) err one$/m)
    expect(stdout).toMatch(/^\(Teller pid=\d+\) is made$/m)
    expect(stdout).toMatch(/^\(Teller pid=\d+\) told two$/m)
    expect(stdout).toMatch(/^the driver itself$/m)
  })

  it('folds lines that repeat, and says how often they came', async () => {
    const { stdout } = await printed('lines')
    expect(stdout.match(/the same line$/gm)).toHaveLength(1)
    expect(stdout).toMatch(/the same line \[repeated 999×\]/)
  })

  it('stays away with logToDriver: false', async () => {
    const { stdout, stderr } = await printed('quiet')
    expect(stdout).toBe('the driver itself\n')
    expect(stderr).toBe('')
  })

  it('B47 listeners that pile up are told once, in the words of Node, and harm nothing', async () => {
    const { code, stderr } = await printed('listens')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^RESULT \{"most":30\}$/m)
    const told = /^\(listens pid=\d+\) .*MaxListenersExceededWarning.* 11 beforeExit listeners/gm
    expect(stderr.match(told)).toHaveLength(1)
  })

  it('B47 a flood of 1 GB of console.log: others run on, memory is flat, what is dropped is told', async () => {
    const bytes = scaled(GIB)
    const { code, stdout, stderr } = await printed('flood', String(bytes))
    expect(code).toBe(0)
    const result = JSON.parse(/RESULT (\{.*\})/.exec(stderr)?.[1] ?? '{}') as {
      served: number
      slowestMs: number
      rssBytes: number
      rayletPeakBytes: number
    }
    expect(result.served).toBeGreaterThan(10)
    expect(result.slowestMs).toBeLessThan(5000)
    expect(result.rssBytes).toBeLessThan(400 * 1024 ** 2)
    expect(result.rayletPeakBytes).toBeLessThan(400 * 1024 ** 2)
    expect(stdout.length).toBeLessThan(bytes)
    expect(stderr).toMatch(/\d+ lines dropped: see \/.*\/logs\/worker-\w+-\w+\.log while/)
    const shown = stdout.match(/^\(flood pid=\d+\) (x|the last)/gm)?.length ?? 0
    const unnamed = stdout.match(/^\(worker pid=\d+\) (x|the last)/gm)?.length ?? 0
    const marks = [...stderr.matchAll(/ (\d+) lines? dropped(?:.*\[repeated (\d+)×\])?/g)]
    const dropped = marks.reduce(
      (sum, [, count, times = 1]) => sum + Number(count) * Number(times),
      0,
    )
    expect(shown + unnamed + dropped).toBe(Math.ceil(bytes / 1024) + 1)
  }, 240_000)
})
