import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LOG_FILES_MAX, logFile } from '../../../runtime/raylet/log-file.ts'
import type { LogSink } from '../../../runtime/raylet/output.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-log-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const throws = (error: Error): never => {
  throw error
}

/** Resolves when all that was written so far is in the file. */
function drained(sink: LogSink): Promise<void> {
  return new Promise((resolve) => {
    sink.onDrained = resolve
    sink.write(Buffer.from('\n'))
  })
}

describe('log files', () => {
  test('there is none before the first line', async () => {
    const sink = logFile({ path: join(folder, 'a'), onError: throws })
    expect(readdirSync(folder)).toEqual([])
    sink.write(Buffer.from('one\n'))
    await drained(sink)
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toBe('one\n\n')
    sink.close()
  })

  test('they are rotated by size, five at most, the newest without a number', async () => {
    const sink = logFile({ path: join(folder, 'a'), bytesMax: 100, onError: throws })
    for (let i = 0; i < 20; i += 1) {
      sink.write(Buffer.from(`${String(i).padStart(2, '0')}${'x'.repeat(60)}\n`))
      await drained(sink)
    }
    const files = readdirSync(folder).sort()
    expect(files).toHaveLength(LOG_FILES_MAX)
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toContain('19')
    expect(readFileSync(join(folder, 'a.1.log'), 'utf8')).toContain('18')
    for (const file of files) expect(statSync(join(folder, file)).size).toBeLessThanOrEqual(100)
    sink.close()
  })

  test('it is busy while much waits, and says when it is not', async () => {
    const sink = logFile({ path: join(folder, 'a'), onError: throws })
    sink.write(Buffer.from('x'.repeat(3 * 1024 * 1024)))
    expect(sink.isBusy()).toBe(true)
    await drained(sink)
    expect(sink.isBusy()).toBe(false)
    sink.close()
  })

  test('a folder that is gone is told once, and does no more harm', () => {
    const errors: Error[] = []
    const sink = logFile({ path: join(folder, 'no', 'a'), onError: (error) => errors.push(error) })
    sink.write(Buffer.from('one\n'))
    sink.write(Buffer.from('two\n'))
    expect(errors).toHaveLength(1)
    expect(sink.isBusy()).toBe(false)
    sink.close()
  })
})
