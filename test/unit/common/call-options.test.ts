// Options of get, wait, map, init and the rest of what is called with a cluster there.
import { describe, expect, test } from 'vitest'
import { InvalidEnvError, UsageError } from '../../../runtime/common/errors.ts'
import {
  parseActorName,
  parseCancelOptions,
  parseGetOptions,
  parseInitOptions,
  parseKillOptions,
  parseMapOptions,
  parsePlacementGroup,
  parseReadyTimeout,
  parseWaitOptions,
} from '../../../runtime/common/call-options.ts'
import { matchesLabels } from '../../../runtime/scheduling/labels.ts'
import { ENV_BYTES_MAX, runtimeEnvOf } from '../../../runtime/common/runtime-env.ts'
import { thrownBy } from '../../support/thrown-by.ts'

const messageOf = (run: () => unknown): string => thrownBy(run, UsageError).message

test('defaults', () => {
  expect(parseGetOptions(undefined)).toEqual({
    timeoutMs: undefined,
    signal: undefined,
    copy: false,
  })
  expect(parseGetOptions(undefined)).toBe(parseGetOptions(undefined))
  expect(parseWaitOptions(undefined, 3)).toEqual({
    numReturns: 1,
    timeoutMs: undefined,
    fetchLocal: true,
    signal: undefined,
  })
  expect(parseWaitOptions(undefined, 0).numReturns).toBe(0)
  expect(parseMapOptions({})).toEqual({ ordered: true, inFlight: undefined, signal: undefined })
  expect(parseCancelOptions({})).toEqual({ force: false, recursive: true })
  expect(parseKillOptions(undefined)).toEqual({ noRestart: true })
  expect(parseActorName('a', undefined)).toEqual({ name: 'a', namespace: undefined })
  expect(parsePlacementGroup([{ CPU: 1 }], undefined)).toEqual({
    bundles: [{ CPU: 10_000 }],
    strategy: 'PACK',
    name: undefined,
    detached: false,
  })
  expect(parseInitOptions(undefined)).toMatchObject({
    logToDriver: true,
    durable: false,
    labels: {},
  })
})

test('a timeoutMs of 0 polls', () => {
  expect(parseGetOptions({ timeoutMs: 0 }).timeoutMs).toBe(0)
  expect(parseWaitOptions({ timeoutMs: 0 }, 1).timeoutMs).toBe(0)
  expect(parseReadyTimeout({ timeoutMs: 0 })).toBe(0)
})

test.each([
  [
    (): unknown => parseGetOptions({ timeoutMs: -1 }),
    'timeoutMs must be milliseconds from 0, which polls, to 2147483647, got -1',
  ],
  [(): unknown => parseGetOptions({ timeoutMs: 2 ** 31 }), 'to 2147483647, got 2147483648'],
  [
    (): unknown => parseGetOptions({ timeout: 5 }),
    'get() has no option timeout. Did you mean timeoutMs?',
  ],
  [(): unknown => parseGetOptions(5), 'the options of get() must be an object, got 5'],
  [
    (): unknown => parseWaitOptions({ numReturns: 0 }, 3),
    'numReturns must be a whole number from 1 to the number of refs, which is 3, got 0',
  ],
  [(): unknown => parseWaitOptions({ numReturns: 4 }, 3), 'which is 3, got 4'],
  [
    (): unknown => parseMapOptions({ inFlight: 0 }),
    'inFlight must be a whole number from 1 to 1000000, got 0',
  ],
  [(): unknown => parseCancelOptions({ force: 'yes' }), "force must be true or false, got 'yes'"],
  [
    (): unknown => parseActorName('', {}),
    "the name of an actor must be 1 to 256 printable characters, got ''",
  ],
  [
    (): unknown => parsePlacementGroup([], {}),
    'bundles must be an array of 1 to 1000 bundles, got 0 bundles. For example',
  ],
  [(): unknown => parsePlacementGroup({ CPU: 1 }, {}), 'got { CPU: 1 }'],
  [
    (): unknown => parsePlacementGroup([{ CPU: 1 }, { CPUS: 1 }], {}),
    "bundles[1] has no resource 'CPUS': did you mean CPU?",
  ],
  [
    (): unknown => parsePlacementGroup([{ CPU: Number.NaN }], {}),
    'bundles[0].CPU must be a finite number ≥ 0, got NaN',
  ],
  [
    (): unknown => parsePlacementGroup([{ CPU: 1 }], { strategy: 'STRICTPACK' }),
    'Did you mean STRICT_PACK?',
  ],
  [(): unknown => parseInitOptions({ numCpus: -1 }), 'numCpus must be a finite number ≥ 0, got -1'],
  [
    (): unknown => parseInitOptions({ adress: 'auto' }),
    'init() has no option adress. Did you mean address?',
  ],
  [
    (): unknown => parseInitOptions({ address: '' }),
    "address must be a text that is not empty, got ''",
  ],
  [
    (): unknown => parseInitOptions({ objectStoreMemoryBytes: 1000 }),
    'objectStoreMemoryBytes must be a whole number from 1048576',
  ],
  [
    (): unknown => parseInitOptions({ modules: [1] }),
    'modules[0] must be a text that is not empty, got 1',
  ],
  [
    (): unknown => parseInitOptions({ labels: { a: 'in(b)' } }),
    'labels.a must be 1 to 256 characters without',
  ],
  [
    (): unknown => parseInitOptions({ overflow: { to: 'prod', maxUsd: 1 } }),
    "overflow.to must be the address of a deployed cluster, 'aws://NAME', got 'prod'",
  ],
  [
    (): unknown => parseInitOptions({ overflow: { to: 'aws://p', maxUsd: -1 } }),
    'overflow.maxUsd must be a finite number of dollars ≥ 0, got -1',
  ],
])('%s', (run, message) => {
  expect(messageOf(run)).toContain(message)
})

describe('B34: variables of a runtime environment that are refused', () => {
  const refused = (envVars: object): InvalidEnvError =>
    thrownBy(() => runtimeEnvOf('runtimeEnv', { envVars }), InvalidEnvError)

  test.each([
    'NODE_OPTIONS',
    'node_options',
    'NODE_CHANNEL_FD',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'DYLD_INSERT_LIBRARIES',
    'BASH_ENV',
    'AWS_ACCESS_KEY_ID',
    'AWS_PROFILE',
    'VIRGA_ADDRESS',
    'CUDA_VISIBLE_DEVICES',
  ])('%s', (name) => {
    const error = refused({ [name]: 'secret-value' })
    expect(error.message).toContain(`runtimeEnv.envVars.${name} may not be set: `)
    expect(error.message).not.toContain('secret-value')
    expect(error.data).toEqual({ name })
  })

  test.each(['', '1A', 'A B', 'A=B', 'Ä', 'A\0'])('a name such as %o', (name) => {
    expect(refused({ [name]: 'x' }).message).toContain('is no name of a variable')
  })

  test('values that are no text, or hold a NUL, without showing them', () => {
    expect(refused({ TOKEN: 12_345 }).message).toBe(
      'runtimeEnv.envVars.TOKEN must be a string, got a value of type number',
    )
    expect(refused({ TOKEN: 'a\0b' }).message).toContain('holds a NUL character')
  })

  test('more than 128 KiB in all', () => {
    const half = 'x'.repeat(ENV_BYTES_MAX / 2 - 3)
    expect(runtimeEnvOf('runtimeEnv', { envVars: { A: half, B: half } })?.envVars['B']).toBe(half)
    expect(refused({ A: half, B: `${half}x` }).message).toContain('larger than 131072 bytes in all')
    expect(refused({ A: 'ä'.repeat(ENV_BYTES_MAX / 2) }).message).toContain('larger than')
  })
})

test.each([
  'file:../x',
  'git+ssh://x',
  'a; rm -rf /',
  '$(x)',
  '../x',
  '',
  'x@file:../y',
  'http://x/y.tgz',
])('B35: an npm package such as %o is refused', (spec) => {
  const run = (): unknown => runtimeEnvOf('runtimeEnv', { npm: [spec] })
  expect(messageOf(run)).toContain('runtimeEnv.npm[0] must be a package of the registry')
})

test('a runtime environment is sorted, and an empty one is none', () => {
  expect(runtimeEnvOf('runtimeEnv', { envVars: {} })).toBeUndefined()
  const job = runtimeEnvOf('runtimeEnv', { envVars: { B: '1', A: '1' }, npm: ['@a/b@^1.2.3', 'c'] })
  expect(JSON.stringify(job?.envVars)).toBe('{"A":"1","B":"1"}')
})

test.each([
  [{ zone: 'a' }, true],
  [{ zone: 'b' }, false],
  [{ zone: '!b' }, true],
  [{ zone: 'in(b, a)' }, true],
  [{ zone: '!in(b, a)' }, false],
  [{ disk: '!slow' }, true],
  [{ disk: 'slow' }, false],
  [{ zone: 'a', disk: 'fast' }, false],
  [{ toString: 'x' }, false],
  [{}, true],
])('a node in zone a is selected by %o: %s', (selector, selected) => {
  expect(matchesLabels({ zone: 'a' }, selector as Record<string, string>)).toBe(selected)
})
