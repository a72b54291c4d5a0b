// The rules that find a function's home in a stack (FH1-H4), with the frames of each loader.
import { describe, expect, test } from 'vitest'
import { UsageError } from '../../../runtime/common/errors.ts'
import { findHome, homeOf, normalizeHome } from '../../../runtime/core-worker/function-home.ts'

const frame = (
  scriptName: string,
  lineNumber = 1,
): {
  scriptName: string
  lineNumber: number
  columnNumber: number
} => ({ scriptName, lineNumber, columnNumber: 5 })
const NODE = frame('node:internal/modules/esm/module_job')
const TSX = frame('/p/node_modules/tsx/dist/register-B1c7OH6V.cjs')
const VITEST = frame('file:///p/node_modules/vitest/dist/chunks/run.js')
const homeOfFrames = (...frames: ReturnType<typeof frame>[]): string | undefined =>
  homeOf(frames)?.home

describe('the home of a call', () => {
  test('is the module at whose top level it stands, as a file URL with its position', () => {
    expect(homeOf([frame('file:///p/app.ts', 7), NODE])).toEqual({
      home: 'file:///p/app.ts',
      line: 7,
      column: 5,
    })
  })

  test('is the outermost frame of the first run: a helper is no home', () => {
    const helper = frame('file:///p/helper.ts')
    expect(homeOfFrames(helper, frame('file:///p/app.ts'), NODE)).toBe('file:///p/app.ts')
  })

  test('is the required module, not the one that requires it', () => {
    const loader = frame('node:internal/modules/cjs/loader')
    expect(homeOfFrames(frame('/p/tasks.cjs'), loader, frame('/p/app.cjs'), loader)).toBe(
      'file:///p/tasks.cjs',
    )
  })

  test.each([
    ['tsx', TSX],
    ['vitest', VITEST],
    ['Node', NODE],
  ])('ends at frames of %s', (_, end) => {
    expect(homeOfFrames(frame('/p/a.ts'), end, frame('/p/b.ts'))).toBe('file:///p/a.ts')
  })

  test("may lie below frames that are not the user's", () => {
    expect(homeOfFrames(NODE, VITEST, frame('/p/a.ts'), NODE)).toBe('file:///p/a.ts')
  })

  test('sees through native frames, which have no file', () => {
    expect(homeOfFrames(frame(''), frame('/p/a.ts'), frame(''), frame('/p/b.ts'))).toBe(
      'file:///p/b.ts',
    )
  })

  test("is not the test runner that calls the user's function", () => {
    const mocha = frame('/p/node_modules/mocha/lib/runner.js')
    expect(homeOfFrames(frame('/p/a.test.js'), mocha, mocha)).toBe('file:///p/a.test.js')
  })

  test('is a package that has remote functions of its own', () => {
    expect(homeOfFrames(frame('/p/node_modules/lib/tasks.js'), NODE)).toBe(
      'file:///p/node_modules/lib/tasks.js',
    )
  })

  test.each([
    '[eval]',
    '[eval]-wrapper',
    '[stdin]',
    'file:///p/[eval1]',
    'REPL1',
    'evalmachine.<anonymous>',
  ])('does not exist for %s', (scriptName) => {
    expect(homeOf([frame('/p/helper.js'), frame(scriptName), NODE])).toBeUndefined()
  })

  test('does not exist without frames, or for a data URL', () => {
    expect(homeOf([])).toBeUndefined()
    expect(homeOf([frame('data:text/javascript,1')])).toBeUndefined()
  })
})

describe('findHome', () => {
  test('finds this file, whatever Error.stackTraceLimit is', () => {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    try {
      expect(findHome(0).home).toBe(import.meta.url)
    } finally {
      Error.stackTraceLimit = limit
    }
  })

  test('skips frames by count', () => {
    const one = (): string => findHome(1).home
    expect(one()).toBe(import.meta.url)
    expect(() => findHome(99)).toThrow(UsageError)
    expect(() => findHome(99)).toThrow(/REPL, node -e or standard input/)
  })
})

describe('a home has one spelling', () => {
  test.each([
    ['/p/a b.ts', 'file:///p/a%20b.ts'],
    ['file:///p/a.ts', 'file:///p/a.ts'],
    ['/p/a.ts?v=1a2b3c4d', 'file:///p/a.ts'],
    ['/p/a.ts?t=1700000000000', 'file:///p/a.ts'],
    ['/p/a.ts?import', 'file:///p/a.ts'],
    ['file:///p/a.ts?vitest=1700', 'file:///p/a.ts'],
    ['file:///p/a.ts?tsx-namespace=x', 'file:///p/a.ts'],
    ['/p/a.ts?namespace=123', 'file:///p/a.ts'],
    ['file:///p/a.ts#top', 'file:///p/a.ts'],
  ])('%s -> %s', (scriptName, home) => {
    expect(normalizeHome(scriptName)).toBe(home)
  })

  test("a query of the user's own makes another module and stays", () => {
    expect(normalizeHome('file:///p/a.ts?v=2&import')).toBe('file:///p/a.ts?v=2')
  })

  test.each([
    'data:text/javascript,1',
    'https://example.com/a.js',
    'webpack-internal:///a',
    '',
    'a.ts',
  ])('%s is no file', (scriptName) => {
    expect(normalizeHome(scriptName)).toBeUndefined()
  })
})
