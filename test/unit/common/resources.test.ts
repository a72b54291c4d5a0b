// Amounts: what users may write, what it becomes, and the words that refuse the rest (B21).
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { UsageError } from '../../../runtime/common/errors.ts'
import { bundleOf, demandOf, nodeResourcesOf } from '../../../runtime/common/resource-demand.ts'
import {
  addResources,
  fits,
  lacking,
  resourceKey,
  resourceSet,
  showBytes,
  showResources,
  toResources,
} from '../../../runtime/common/resources.ts'
import { thrownBy } from '../../support/thrown-by.ts'

const messageOf = (run: () => unknown): string => thrownBy(run, UsageError).message

describe('B21: amounts that are refused, and what the error says', () => {
  test.each([
    [{ CPU: Number.NaN }, 'resources.CPU must be a finite number ≥ 0, got NaN'],
    [{ CPU: -1 }, 'resources.CPU must be a finite number ≥ 0, got -1'],
    [{ CPU: Infinity }, 'resources.CPU must be a finite number ≥ 0, got Infinity'],
    [{ CPU: '2' }, "resources.CPU must be a finite number ≥ 0, got '2'"],
    [{ CPU: 1e308 }, 'resources.CPU must be at most 100000000000, got 1e+308'],
    [{ CPU: 0.33333 }, 'resources.CPU must be a multiple of 0.0001, got 0.33333. Use 0.3333'],
    [{ disk: 0.00001 }, 'resources.disk must be a multiple of 0.0001, got 0.00001. Use 0.0001'],
    [{ CPUS: 1 }, "resources has no resource 'CPUS': did you mean CPU?"],
    [{ num_gpus: 1 }, "resources has no resource 'num_gpus': did you mean GPU?"],
    [{ Memory: 1 }, "resources has no resource 'Memory': did you mean memory?"],
    [{ memory: 1.5 }, 'resources.memory must be a whole number of bytes, got 1.5'],
    [{ memory: 1e16 }, 'resources.memory must be at most 1000000000000000, got 10000000000000000'],
    [
      { GPU: 1.5 },
      'resources.GPU must be a whole number of GPUs from 1 on (below 1 it is a share of one), got 1.5. Use 1 or 2',
    ],
    [
      { CPU: 0, GPU: -0 },
      'resources must ask for more than 0 of some resource, got { CPU: 0, GPU: -0 }',
    ],
    [[], 'resources must be an object of name: amount, got []'],
    [null, 'resources must be an object of name: amount, got null'],
  ])('%o', (bundle, message) => {
    expect(messageOf(() => bundleOf(bundle, 'resources'))).toBe(message)
  })

  test.each([
    [{ numCpus: -1 }, 'numCpus must be a finite number ≥ 0, got -1'],
    [{ numGpus: 2.5 }, 'numGpus must be a whole number of GPUs'],
    [{ resources: { CPU: 1 } }, 'resources.CPU is not a custom resource: use numCpus'],
    [{ resources: { GPU: 1 } }, 'resources.GPU is not a custom resource: use numGpus'],
    [{ resources: { memory: 1 } }, 'resources.memory is not a custom resource: use memoryBytes'],
    [{ resources: { cpus: 1 } }, "resources has no resource 'cpus': did you mean numCpus?"],
    [{ resources: { disk: Number.NaN } }, 'resources.disk must be a finite number ≥ 0, got NaN'],
    [{ resources: { '': 1 } }, "resources has '', which cannot name a resource"],
    [{ resources: { constructor: 1 } }, "resources has 'constructor', which cannot name"],
    [{ resources: { ['__proto__']: 1 } }, "resources has '__proto__', which cannot name"],
    [{ resources: { 'a\nb': 1 } }, String.raw`resources has 'a\nb', which cannot name a resource`],
    [{ resources: { ['x'.repeat(129)]: 1 } }, 'which cannot name a resource: give 1 to 128'],
    [{ acceleratorType: '' }, "acceleratorType must be a name such as 'NVIDIA_A10G', got ''"],
  ])('%o', (options, message) => {
    expect(messageOf(() => demandOf(options, 1))).toContain(message)
  })

  test('a demand may not name hundreds of resources', () => {
    const resources = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`r${i}`, 1]))
    expect(messageOf(() => demandOf({ resources }, 1))).toBe(
      'resources may name 64 resources, got 65',
    )
  })
})

test('what is accepted is exact, sorted, and has no zeros', () => {
  const demand = demandOf(
    {
      numGpus: 0.25,
      memoryBytes: 2 ** 30,
      resources: { TPU: 0.1 + 0.2, b: -0, a: 2 },
      acceleratorType: 'A10',
    },
    1,
  )
  expect(resourceKey(demand)).toBe(
    '{"CPU":10000,"GPU":2500,"TPU":3000,"a":20000,"accelerator_type:A10":10,"memory":1073741824}',
  )
  expect(toResources(demand)['TPU']).toBe(0.3)
  expect(showResources(demand)).toBe(
    '{CPU: 1, GPU: 0.25, TPU: 0.3, a: 2, accelerator_type:A10: 0.001, memory: 1 GiB}',
  )
  expect(demandOf({ numCpus: 0 }, 1)).toEqual({})
  expect(showResources({})).toBe('nothing')
  expect(showBytes(1536)).toBe('1.5 KiB')
})

test('a node has what the options say, else what the machine has; GPUs whole', () => {
  const machine = { numCpus: 2, numGpus: 0, memoryBytes: 1000 }
  expect(nodeResourcesOf({}, machine)).toEqual({ CPU: 20_000, memory: 1000 })
  expect(nodeResourcesOf({ numCpus: undefined, numGpus: 4, resources: { a: 1 } }, machine)).toEqual(
    {
      CPU: 20_000,
      GPU: 40_000,
      memory: 1000,
      a: 10_000,
    },
  )
  expect(messageOf(() => nodeResourcesOf({ numGpus: 0.5 }, machine))).toBe(
    'numGpus of a node must be a whole number, got 0.5',
  )
})

const sets = fc
  .dictionary(fc.constantFrom('CPU', 'GPU', 'memory', 'a', 'b'), fc.integer({ min: 0, max: 1e15 }))
  .map(resourceSet)

test('adding is exact in any order; fits and lacking agree', () => {
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      expect(resourceKey(addResources(a, b))).toBe(resourceKey(addResources(b, a)))
      expect(fits(a, addResources(a, b))).toBe(true)
      expect(fits(a, b)).toBe(lacking(a, b).length === 0)
    }),
  )
})

test('any amount in steps of 0.0001 survives the way to units and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e15 }), (units) => {
      const amount = units / 10_000
      expect(demandOf({ numCpus: amount }, 0)).toEqual({ CPU: units })
      expect(toResources({ CPU: units }).CPU).toBe(amount)
    }),
  )
})
