// What a worker is started with, given how its driver was; and who strips its TypeScript.
import { describe, expect, test } from 'vitest'
import {
  splitOptions,
  stripsTypes,
  workerArgs,
} from '../../../runtime/core-worker/function-argv.ts'

const kept = (...execArgv: string[]): readonly string[] =>
  workerArgs({ execArgv, argv: [], env: {} }).execArgv

describe('Node options of a worker', () => {
  test.each([
    [['-e', 'f()']],
    [['-e', '-1']],
    [['-p', 'f()']],
    [['-pe', 'f()']],
    [['--eval', 'f()']],
    [['--eval=f()']],
    [['--print', '--x']],
    [['--input-type=module', '-e', 'f()']],
    [['--input-type', 'module']],
    [['-i']],
    [['--test']],
    [['--test-reporter', 'tap', '--test-only']],
    [['--test-name-pattern=a b']],
    [['--experimental-test-coverage']],
    [['--watch']],
    [['--watch-path', './src', '--watch-preserve-output']],
    [['--inspect']],
    [['--inspect-brk=9230']],
    [['--inspect-port', '0']],
    [['--inspect-publish-uid=http']],
    [['--debug-port=1']],
    [['--cpu-prof', '--cpu-prof-dir', 'x', '--heap-prof']],
    [['--prof']],
    [['--enable-source-maps']],
  ])('%j is left out', (options) => {
    expect(kept(...options)).toEqual([])
    expect(kept('--a', ...options, '--b', 'c')).toEqual(['--a', '--b', 'c'])
  })

  test('loaders, conditions, memory limits and the like are kept, in order', () => {
    const options = [
      '--require',
      '/p/preflight.cjs',
      '--import',
      'file:///p/loader.mjs',
      '--conditions',
      'test',
      '--max-old-space-size=512',
      '--no-warnings',
      '--experimental-import-meta-resolve',
      '--env-file=.env',
    ]
    expect(kept(...options)).toEqual(options)
  })

  test('an option that only begins like one is kept', () => {
    expect(kept('--watchdog', '--inspector', '--testing', '--profile')).toEqual([
      '--watchdog',
      '--inspector',
      '--testing',
      '--profile',
    ])
  })
})

describe('argv and environment of a worker', () => {
  test("are the driver's", () => {
    const env = { PATH: '/bin', NODE_ENV: 'test', NODE_V8_COVERAGE: 'coverage' }
    const args = workerArgs({ execArgv: [], argv: ['/p/app.ts', '--fast'], env })
    expect(args.argv).toEqual(['/p/app.ts', '--fast'])
    expect({ ...args.env }).toEqual(env)
  })

  test("without what Node's test runner and watch mode set for their own children", () => {
    const env = {
      NODE_TEST_CONTEXT: 'child-v8',
      WATCH_REPORT_DEPENDENCIES: '1',
      NODE_V8_COVERAGE: '/t',
      A: '1',
      B: undefined,
    }
    expect({ ...workerArgs({ execArgv: [], argv: [], env }).env }).toEqual({ A: '1' })
  })

  test('NODE_OPTIONS obeys the same rule, quotes included', () => {
    const NODE_OPTIONS = '--inspect=0 --require "./a \\"b\\".cjs" --test --max-old-space-size=99'
    const args = workerArgs({ execArgv: [], argv: [], env: { NODE_OPTIONS } })
    expect(splitOptions(args.env['NODE_OPTIONS'] ?? '')).toEqual([
      '--require',
      './a "b".cjs',
      '--max-old-space-size=99',
    ])
  })

  test('a variable named __proto__ is a variable', () => {
    const env = JSON.parse('{"__proto__":"x"}') as Record<string, string>
    expect(Object.entries(workerArgs({ execArgv: [], argv: [], env }).env)).toEqual([
      ['__proto__', 'x'],
    ])
  })
})

describe('the raylet strips for the workers', () => {
  const strips = (execArgv: string[], NODE_OPTIONS = ''): boolean =>
    stripsTypes({ execArgv, env: { NODE_OPTIONS } })

  test('of a plain driver, whatever else it preloads', () => {
    expect(strips([])).toBe(true)
    expect(strips(['--require', '/p/node_modules/vitest/suppress-warnings.cjs'])).toBe(true)
    expect(strips(['--import=./tracing.mjs'])).toBe(true)
  })

  test.each([
    [['--import', 'tsx']],
    [['--require', '/p/node_modules/tsx/dist/preflight.cjs']],
    [['-r', 'ts-node/register']],
    [['--loader', './mine.mjs']],
    [['--experimental-loader=./mine.mjs']],
    [['--experimental-transform-types']],
    [['--no-experimental-strip-types']],
  ])('not under %j', (options) => {
    expect(strips(options)).toBe(false)
    expect(strips([], options.join(' '))).toBe(false)
  })
})
