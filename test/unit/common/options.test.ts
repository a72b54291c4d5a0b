// Options of tasks, actors and calls: defaults, and what is refused in which words (B21, B22).
import { describe, expect, test } from 'vitest'
import { UsageError, VirgaError } from '../../../runtime/common/errors.ts'
import {
  parseActorOptions,
  parseCallOptions,
  parseTaskOptions,
} from '../../../runtime/common/options.ts'
import {
  inPlacementGroup,
  nodeAffinity,
  sealLimiter,
} from '../../../runtime/common/option-values.ts'
import type { PlacementGroup } from '../../../runtime/common/surface.ts'
import { thrownBy } from '../../support/thrown-by.ts'

const messageOf = (run: () => unknown): string => thrownBy(run, UsageError).message

const group = { id: 'g1', bundles: [{ CPU: 1 }, { CPU: 1 }] } as unknown as PlacementGroup
const nodeId = 'ab'.repeat(14)

test('a task has the defaults of Ray', () => {
  expect(parseTaskOptions(undefined)).toEqual({
    name: undefined,
    resources: { CPU: 10_000 },
    strategy: { kind: 'DEFAULT' },
    labelSelectors: [],
    runtimeEnv: undefined,
    numReturns: 1,
    maxRetries: 3,
    retryExceptions: false,
    timeoutMs: undefined,
    maxCalls: undefined,
    signal: undefined,
    burst: 'auto',
    streamBufferSize: 64,
    limit: undefined,
    inspect: false,
  })
  expect(parseTaskOptions({ numGpus: 1 }).maxCalls).toBe(1)
  expect(parseTaskOptions({ numGpus: 1, maxCalls: 0 }).maxCalls).toBeUndefined()
})

test('an actor has the defaults of Ray', () => {
  expect(parseActorOptions({})).toEqual({
    name: undefined,
    resources: { CPU: 10_000 },
    defaultResources: true,
    strategy: { kind: 'DEFAULT' },
    labelSelectors: [],
    runtimeEnv: undefined,
    namespace: undefined,
    detached: false,
    getIfExists: false,
    maxRestarts: 0,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    concurrencyGroups: {},
    methods: {},
    maxPendingCalls: -1,
  })
})

test.each([
  [{}, { CPU: 10_000 }, true],
  [{ memoryBytes: 5 }, { CPU: 10_000, memory: 5 }, true],
  [{ numGpus: 1 }, { CPU: 10_000, GPU: 10_000 }, false],
  [{ numGpus: 1, numCpus: 0 }, { GPU: 10_000 }, false],
  [{ numCpus: 2 }, { CPU: 20_000 }, false],
  [{ numCpus: 0 }, {}, false],
  [{ resources: { disk: 1 } }, { CPU: 10_000, disk: 10_000 }, false],
])('an actor with %o is placed by %o; its CPU given back: %s', (options, resources, given) => {
  const spec = parseActorOptions(options)
  expect(spec.resources).toEqual(resources)
  expect(spec.defaultResources).toBe(given)
})

test('what is given is kept, and undefined is the same as not given', () => {
  const { signal } = new AbortController()
  const limit = sealLimiter('db', { concurrency: 2 })
  const spec = parseTaskOptions({
    name: 'f',
    numReturns: 0,
    maxRetries: -1,
    retryExceptions: [RangeError, Error],
    timeoutMs: 0.5,
    signal,
    schedulingStrategy: nodeAffinity(nodeId, { soft: true }),
    labelSelector: { zone: 'in(a, b)' },
    fallbackLabelSelectors: [{ zone: '!c' }],
    burst: 'never',
    streamBufferSize: 1,
    limit,
    inspect: true,
    numCpus: undefined,
  })
  expect(spec).toMatchObject({
    name: 'f',
    numReturns: 0,
    maxRetries: -1,
    retryExceptions: [RangeError, Error],
    timeoutMs: 0.5,
    signal,
    strategy: { kind: 'NODE_AFFINITY', nodeId: '\xab'.repeat(14), soft: true },
    labelSelectors: [{ zone: 'in(a, b)' }, { zone: '!c' }],
    burst: 'never',
    streamBufferSize: 1,
    limit: { name: 'db', concurrency: 2, perSecond: undefined },
    inspect: true,
    resources: { CPU: 10_000 },
  })
})

describe('B22: options of tasks that are refused', () => {
  test.each([
    [
      { maxRetries: -2 },
      'maxRetries must be a whole number from 0 to 2147483647, or -1 to retry for ever, got -2',
    ],
    [{ maxRetries: 1.5 }, 'maxRetries must be a whole number from 0 to 2147483647, got 1.5'],
    [{ maxRetries: Number.NaN }, 'or -1 to retry for ever, got NaN'],
    [{ maxRetries: '3' }, "or -1 to retry for ever, got '3'"],
    [
      { timeoutMs: 0 },
      'timeoutMs must be milliseconds above 0 and up to 2147483647, because nothing can run in 0 ms; leave it out for no limit, got 0',
    ],
    [{ timeoutMs: -1 }, 'timeoutMs must be milliseconds above 0 and up to 2147483647, got -1'],
    [
      { timeoutMs: 2 ** 31 },
      'timeoutMs must be milliseconds above 0 and up to 2147483647, got 2147483648',
    ],
    [{ timeoutMs: Infinity }, 'up to 2147483647, got Infinity'],
    [{ numReturns: -1 }, 'numReturns must be a whole number from 0 to 100000, got -1'],
    [{ numReturns: 1.5 }, 'numReturns must be a whole number from 0 to 100000, got 1.5'],
    [{ maxCalls: -1 }, 'maxCalls must be a whole number from 0 to 2147483647, got -1'],
    [{ streamBufferSize: 0 }, 'streamBufferSize must be a whole number from 1 to 1000000, got 0'],
    [{ burst: 'sometimes' }, "burst must be 'auto' or 'always' or 'never', got 'sometimes'"],
    [{ inspect: 1 }, 'inspect must be true or false, got 1'],
    [{ name: '' }, "name must be 1 to 256 printable characters, got ''"],
    [{ name: 'a\nb' }, String.raw`name must be 1 to 256 printable characters, got 'a\nb'`],
    [
      { retryExceptions: 'all' },
      "retryExceptions must be true, false or an array of classes of errors, got 'all'",
    ],
    [
      { retryExceptions: [Map] },
      'retryExceptions[0] must be a class of errors, such as RangeError, got function Map',
    ],
    [{ retryExceptions: [() => 1] }, 'retryExceptions[0] must be a class of errors'],
    [
      { signal: new AbortController() },
      'signal must be an AbortSignal (of an AbortController: its .signal), got AbortController',
    ],
    [
      { schedulingStrategy: 'spread' },
      "schedulingStrategy must be 'DEFAULT' or 'SPREAD', got 'spread'. Did you mean SPREAD?",
    ],
    [
      { schedulingStrategy: {} },
      "must be 'DEFAULT', 'SPREAD', nodeAffinity(...) or inPlacementGroup(...), got {}",
    ],
    [
      { schedulingStrategy: sealLimiter('x', { concurrency: 1 }) },
      "must be 'DEFAULT', 'SPREAD', nodeAffinity",
    ],
    [{ limit: nodeAffinity(nodeId) }, 'limit must be what limiter(name, { ... }) returns, got {}'],
    [
      { labelSelector: { zone: 'in(a' } },
      "labelSelector.zone must be 'value', '!value', 'in(a, b)' or '!in(a, b)', got 'in(a'",
    ],
    [{ labelSelector: { zone: 3 } }, "'!in(a, b)', got 3"],
    [{ fallbackLabelSelectors: [{ a: 'b' }] }, 'fallbackLabelSelectors needs a labelSelector'],
    [{ runtimeEnv: { envVar: {} } }, 'runtimeEnv has no option envVar. Did you mean envVars?'],
    [[], 'the options of remote() must be an object, got []'],
    [new Map(), 'the options of remote() must be an object, got Map(0)'],
    ['fast', "the options of remote() must be an object, got 'fast'"],
    [null, 'the options of remote() must be an object, got null'],
  ])('%o', (options, message) => {
    expect(messageOf(() => parseTaskOptions(options))).toContain(message)
  })

  test.each([
    [
      { maxRestarts: -2 },
      'maxRestarts must be a whole number from 0 to 2147483647, or -1 to restart for ever, got -2',
    ],
    [
      { maxTaskRetries: 1.5 },
      'maxTaskRetries must be a whole number from 0 to 2147483647, got 1.5',
    ],
    [{ maxConcurrency: 0 }, 'maxConcurrency must be a whole number from 1 to 100000, got 0'],
    [
      { maxPendingCalls: 0 },
      'maxPendingCalls must be a whole number from 1 to 2147483647, or -1 for no limit, got 0',
    ],
    [
      { lifetime: 'detatched' },
      "lifetime must be 'detached', got 'detatched'. Did you mean detached?",
    ],
    [
      { concurrencyGroups: { io: 0 } },
      'concurrencyGroups.io must be a whole number from 1 to 100000, got 0',
    ],
    [{ methods: { ad: {} } }, 'methods: the class has no public method ad. Did you mean add?'],
    [{ methods: { zzzzz: {} } }, 'methods: the class has no public method zzzzz. It has add, read'],
    [
      { methods: { add: { numReturn: 2 } } },
      'methods.add has no option numReturn. Did you mean numReturns?',
    ],
    [
      { concurrencyGroups: { io: 1 }, methods: { add: { concurrencyGroup: 'oi' } } },
      "concurrencyGroup must be one of concurrencyGroups, of io, got 'oi'. Did you mean io?",
    ],
    [
      { methods: { add: { concurrencyGroup: 'io' } } },
      "concurrencyGroup must be one of concurrencyGroups, and none is declared, got 'io'",
    ],
  ])('of actors: %o', (options, message) => {
    expect(messageOf(() => parseActorOptions(options, 'remote()', ['add', 'read']))).toContain(
      message,
    )
  })

  test.each([
    [{ timeoutMs: 0 }, 'nothing can run in 0 ms'],
    [{ numCpus: 1 }, 'add.options() has no option numCpus'],
    [{ concurrencyGroup: 'cpu' }, "of io, got 'cpu'"],
  ])('of calls: %o', (options, message) => {
    expect(messageOf(() => parseCallOptions(options, 'add.options()', ['io']))).toContain(message)
  })
})

test.each([
  ['numCpu', 'remote() has no option numCpu. Did you mean numCpus?'],
  ['num_cpus', 'Did you mean numCpus?'],
  ['retries', 'Did you mean maxRetries?'],
  ['timeout', 'Did you mean timeoutMs?'],
  ['memory', 'Did you mean memoryBytes?'],
  ['resource', 'Did you mean resources?'],
  ['qqqqq', 'remote() has no option qqqqq. Its options are name, numCpus, numGpus'],
  ['constructor', 'remote() has no option constructor'],
])('an unknown option is refused with the nearest: %s', (name, message) => {
  expect(messageOf(() => parseTaskOptions({ [name]: 1 }))).toContain(message)
})

test('an option error says which option it is, for programs', () => {
  try {
    parseTaskOptions({ maxRetries: -2 })
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(VirgaError)
    expect((error as VirgaError).data).toEqual({ option: 'maxRetries' })
  }
})

describe('where to run', () => {
  test('a group strategy knows its group, bundle and children', () => {
    const strategy = (o?: { bundleIndex?: number; captureChildTasks?: boolean }): unknown =>
      parseTaskOptions({ schedulingStrategy: inPlacementGroup(group, o) }).strategy
    expect(strategy()).toEqual({
      kind: 'PLACEMENT_GROUP',
      groupId: 'g1',
      bundleIndex: -1,
      captureChildTasks: false,
    })
    expect(strategy({ bundleIndex: 1, captureChildTasks: true })).toMatchObject({
      bundleIndex: 1,
      captureChildTasks: true,
    })
  })

  test.each([
    [
      (): unknown => inPlacementGroup(group, { bundleIndex: 2 }),
      'bundleIndex must be a whole number from -1 to 1, got 2',
    ],
    [
      (): unknown => inPlacementGroup({} as PlacementGroup),
      'must be what placementGroup() returns, got {}',
    ],
    [
      (): unknown => nodeAffinity('node-1'),
      "nodeId must be a node id as nodes() shows it, 28 hex digits, got 'node-1'",
    ],
    [
      (): unknown => nodeAffinity(nodeId, { sotf: true } as object),
      'nodeAffinity() has no option sotf. Did you mean soft?',
    ],
    [(): unknown => sealLimiter('x', {}), "limiter('x') needs concurrency, perSecond or both"],
    [(): unknown => sealLimiter('', { concurrency: 1 }), 'the name of a limiter must be 1 to 256'],
    [(): unknown => sealLimiter('x', { perSecond: 0 }), 'perSecond must be a number above 0'],
  ])('%s', (run, message) => {
    expect(messageOf(run)).toContain(message)
  })
})
