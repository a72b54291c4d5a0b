// The strip service of a raylet: once per content, bounded, and never a failure of the raylet.
import { describe, expect, test } from 'vitest'
import { systemHash } from '../../../runtime/common/random-system.ts'
import {
  decodeStripAnswer,
  encodeStripRequest,
  requestLength,
} from '../../../runtime/protocol/strip-message.ts'
import type { StripAnswer } from '../../../runtime/protocol/strip-message.ts'
import { makeStripService } from '../../../runtime/raylet/strip-process.ts'
import { StripService } from '../../../runtime/raylet/strip-service.ts'
import type { StripPorts } from '../../../runtime/raylet/strip-service.ts'

function ask(service: StripService, url: string, wantsFormat = false): StripAnswer {
  const request = encodeStripRequest({ url, wantsFormat })
  expect(requestLength(request)).toBe(request.length - 4)
  const answer = service.answer(request.subarray(4))
  expect(answer.readUInt32LE(0)).toBe(answer.length - 4)
  return decodeStripAnswer(answer.subarray(4))
}

function aService(
  files: Record<string, string>,
  ports: Partial<StripPorts> = {},
  options: { cacheBytesMax?: number } = {},
): {
  service: StripService
  stripped: string[]
} {
  const stripped: string[] = []
  const defaults: StripPorts = {
    read: (url) => {
      const text = files[url]
      if (text === undefined) throw Object.assign(new Error('ENOENT: gone'), { code: 'ENOENT' })
      return Buffer.from(text)
    },
    strip: (text) => {
      stripped.push(text)
      return text.toUpperCase()
    },
    isModule: (text) => text.includes('IMPORT'),
    hash: systemHash,
  }
  const service = new StripService({ ...defaults, ...ports }, options)
  return { service, stripped }
}

describe('the strip service of a raylet', () => {
  test('strips a file once, whoever asks, and tells the hash of its bytes', () => {
    const { service, stripped } = aService({ 'file:///a.ts': 'code é' })
    service.prepare('file:///a.ts')
    const answer = ask(service, 'file:///a.ts')
    expect(ask(service, 'file:///a.ts')).toEqual(answer)
    expect(answer).toMatchObject({ kind: 'stripped', format: 'module', text: 'CODE É' })
    expect(answer.kind === 'stripped' && Buffer.from(answer.sha256)).toEqual(
      Buffer.from(systemHash.sha256(Buffer.from('code é'))),
    )
    expect(stripped).toEqual(['code é'])
  })

  test('strips an edited file anew', () => {
    const files = { 'file:///a.ts': 'one' }
    const { service } = aService(files)
    expect(ask(service, 'file:///a.ts')).toMatchObject({ text: 'ONE' })
    files['file:///a.ts'] = 'two'
    expect(ask(service, 'file:///a.ts')).toMatchObject({ text: 'TWO' })
  })

  test('tells the format when asked', () => {
    const { service } = aService({ 'file:///m.ts': 'import x', 'file:///c.ts': 'require x' })
    expect(ask(service, 'file:///m.ts', true)).toMatchObject({ format: 'module' })
    expect(ask(service, 'file:///c.ts', true)).toMatchObject({ format: 'commonjs' })
  })

  test('answers with the error of a file that cannot be stripped or read', () => {
    const { service } = aService(
      { 'file:///a.ts': 'enum A {}' },
      {
        strip: () => {
          throw Object.assign(new SyntaxError('enum is not supported'), { code: 'ERR_X' })
        },
      },
    )
    expect(ask(service, 'file:///a.ts')).toEqual({
      kind: 'failed',
      code: 'ERR_X',
      message: 'file:///a.ts: enum is not supported',
      isSyntaxError: true,
    })
    expect(ask(service, 'file:///b.ts')).toMatchObject({
      kind: 'failed',
      code: 'ENOENT',
      isSyntaxError: false,
    })
  })

  test('keeps as many bytes as it may, of the files most recently asked for', () => {
    const files: Record<string, string> = {}
    for (let n = 0; n < 5; n++) files[`file:///${n}.ts`] = `${n}`.repeat(20)
    const { service, stripped } = aService(files, {}, { cacheBytesMax: 64 })
    for (const n of [0, 1, 2, 0, 3, 0]) ask(service, `file:///${n}.ts`)
    expect(stripped.map((text) => text[0])).toEqual(['0', '1', '2', '3'])
    ask(service, 'file:///1.ts')
    expect(stripped.map((text) => text[0])).toEqual(['0', '1', '2', '3', '1'])
  })

  test('refuses a source of more than 32 MiB in its answer', () => {
    const { service } = aService({ 'file:///a.ts': 'x'.repeat(32 * 1024 * 1024 + 1) })
    expect(ask(service, 'file:///a.ts')).toMatchObject({ kind: 'failed' })
  })
})

describe("Node's own stripper behind it", () => {
  test('keeps every position, and prints no warning', () => {
    const emitWarning = process.emitWarning.bind(process)
    const warnings: unknown[] = []
    process.emitWarning = (...warning: unknown[]) => void warnings.push(warning)
    try {
      const service = makeStripService()
      const here = ask(service, import.meta.url, true)
      expect(here).toMatchObject({ kind: 'stripped', format: 'module' })
      expect(here.kind === 'stripped' && here.text.split('\n')[0]).toBe(
        '// The strip service of a raylet: once per content, bounded, and never a failure of the raylet.',
      )
      expect(here.kind === 'stripped' && here.text).not.toContain(
        `wantsFormat = false): ${'StripAnswer'}`,
      )
    } finally {
      process.emitWarning = emitWarning
    }
    expect(warnings).toEqual([])
  })
})
