// Log files of a session: rotated, bounded, and honest about being behind.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LOG_FILES_MAX, logFile } from '../../../runtime/raylet/log-file.ts'
import { until } from '../../support/waiting.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-log-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const textOf = (name: string): string =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : ''

const throws = (error: Error): never => {
  throw error
}

describe('log files', () => {
  test('there is none before the first line', async () => {
    const sink = logFile({ path: join(folder, 'a'), onError: throws })
    expect(readdirSync(folder)).toEqual([])
    sink.write(Buffer.from('one\n'))
    sink.write(Buffer.from('two\n'))
    await until(() => textOf('a.log') === 'one\ntwo\n')
    sink.close()
  })

  test('they are rotated by size, five at most, the newest without a number', async () => {
    const sink = logFile({ path: join(folder, 'a'), bytesMax: 100, onError: throws })
    for (let i = 0; i < 20; i += 1) {
      const line = `${String(i).padStart(2, '0')}${'x'.repeat(60)}\n`
      sink.write(Buffer.from(line))
      await until(() => textOf('a.log').endsWith(line))
    }
    const files = readdirSync(folder).sort()
    expect(files).toHaveLength(LOG_FILES_MAX)
    expect(textOf('a.log')).toContain('19')
    expect(textOf('a.1.log')).toContain('18')
    for (const file of files) expect(statSync(join(folder, file)).size).toBeLessThanOrEqual(100)
    sink.close()
  })

  test('it is busy while much waits, and says when it is not', async () => {
    const sink = logFile({ path: join(folder, 'a'), onError: throws })
    const drained = new Promise<void>((resolve) => {
      sink.onDrained = resolve
    })
    sink.write(Buffer.from('x'.repeat(3 * 1024 * 1024)))
    expect(sink.isBusy()).toBe(true)
    await drained
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
