// Reading logs as they are written and rotated.
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { names, read } from '../../../cli/logs-file.ts'
import { until } from '../../support/waiting.ts'

let session: string
const at = (name: string): string => join(session, 'logs', name)
beforeEach(() => {
  session = mkdtempSync(join(tmpdir(), 'virga-logs-'))
  mkdirSync(join(session, 'logs'))
})
afterEach(() => {
  rmSync(session, { recursive: true, force: true })
})

async function all(name: string): Promise<string> {
  let text = ''
  for await (const chunk of read(session, name, {})) text += chunk
  return text
}

describe('logs', () => {
  it('are named once, however often they were rotated; other files are none', () => {
    const files = [
      'raylet.log',
      'raylet.err',
      'worker-1a.2.log',
      'worker-1a.1.log',
      'worker-1a.log',
    ]
    for (const file of files) writeFileSync(at(file), '')
    expect(names(session)).toEqual(['raylet', 'worker-1a'])
  })

  it('are read from the oldest part on', async () => {
    writeFileSync(at('a.2.log'), 'one\n')
    writeFileSync(at('a.1.log'), 'two\n')
    writeFileSync(at('a.log'), 'three\n')
    writeFileSync(at('ab.log'), 'other\n')
    expect(await all('a')).toBe('one\ntwo\nthree\n')
    expect(await all('none')).toBe('')
  })

  it('are followed over a rotation without a lost or repeated line, until told to stop', async () => {
    let stopped = false
    let text = ''
    writeFileSync(at('a.log'), '1 ä\n')
    const following = (async () => {
      for await (const chunk of read(session, 'a', { follow: { stopped: () => stopped } })) {
        text += chunk
      }
    })()
    await until(() => text === '1 ä\n')
    appendFileSync(at('a.log'), '2\n')
    await until(() => text.endsWith('2\n'))
    appendFileSync(at('a.log'), '3\n')
    renameSync(at('a.log'), at('a.1.log'))
    writeFileSync(at('a.log'), '4\n')
    await until(() => text.endsWith('4\n'))
    stopped = true
    await following
    expect(text).toBe('1 ä\n2\n3\n4\n')
  })
})
