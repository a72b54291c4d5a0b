// The ledger of a node against a model: random programs of takes and returns, GPUs included.
import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { AssertionError } from '../../../runtime/common/assert.ts'
import { ResourceLedger } from '../../../runtime/common/resource-ledger.ts'
import type { Allocation } from '../../../runtime/common/resource-ledger.ts'
import { resourceSet, addResources } from '../../../runtime/common/resources.ts'
import type { ResourceSet } from '../../../runtime/common/resources.ts'

const ONE = 10_000
const cpus = (count: number): ResourceSet => resourceSet({ CPU: count * ONE })
const gpus = (count: number): ResourceSet => resourceSet({ GPU: count * ONE })

const demands = fc.record({
  CPU: fc.constantFrom(0, 1, 2500, ONE, 2 * ONE),
  GPU: fc.constantFrom(0, 0, 1, 2500, 5000, 7500, ONE, 2 * ONE, 3 * ONE),
  memory: fc.constantFrom(0, 100, 500),
  disk: fc.constantFrom(0, 0, ONE),
})

const steps = fc.oneof(
  fc.record({ kind: fc.constant('allocate' as const), demand: demands.map(resourceSet) }),
  fc.record({
    kind: fc.constantFrom('release' as const, 'giveCpuBack' as const, 'takeCpuAgain' as const),
    at: fc.nat(),
  }),
)

function negative(set: ResourceSet): ResourceSet {
  return resourceSet(Object.fromEntries(Object.entries(set).map(([name, n]) => [name, -n])))
}

/** What the ledger should know, kept in the most naive way. */
class Model {
  readonly held = new Map<Allocation, { cpu: boolean }>()
  readonly total: ResourceSet
  constructor(total: ResourceSet) {
    this.total = total
  }
  free(): ResourceSet {
    let free = this.total
    for (const [{ demand }, { cpu }] of this.held) {
      const { CPU: _resumedLater, ...others } = demand
      free = addResources(free, negative(cpu ? demand : others))
    }
    return free
  }
  freeOfGpus(): number[] {
    const free = Array.from({ length: (this.total['GPU'] ?? 0) / ONE }, () => ONE)
    for (const { gpuShares } of this.held.keys()) {
      for (const { gpuId, units } of gpuShares) free[gpuId] = (free[gpuId] ?? 0) - units
    }
    return free
  }
  canHold(demand: ResourceSet): boolean {
    const free = this.free()
    if (Object.keys(demand).some((name) => (demand[name] ?? 0) > (free[name] ?? 0))) return false
    const units = demand['GPU'] ?? 0
    const perGpu = this.freeOfGpus()
    if (units < ONE) return units === 0 || perGpu.some((left) => left >= units)
    return perGpu.filter((left) => left === ONE).length * ONE >= units
  }
}

test('any program of takes and returns keeps the invariants and agrees with the model', () => {
  const total = resourceSet({ CPU: 4 * ONE, GPU: 3 * ONE, memory: 1000, disk: 2 * ONE })
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), (program) => {
      const ledger = new ResourceLedger(total)
      const model = new Model(total)
      for (const step of program) {
        if (step.kind === 'allocate') {
          expect(ledger.isAvailable(step.demand)).toBe(model.canHold(step.demand))
          const before = model.freeOfGpus()
          const expected = model.canHold(step.demand)
          const got = ledger.allocate(step.demand)
          expect(got !== undefined).toBe(expected)
          if (got === undefined) continue
          const units = got.gpuShares.reduce((sum, share) => sum + share.units, 0)
          expect(units).toBe(step.demand['GPU'] ?? 0)
          expect(new Set(got.gpuIds).size).toBe(got.gpuIds.length)
          for (const share of got.gpuShares) {
            expect(before[share.gpuId] ?? 0).toBeGreaterThanOrEqual(share.units)
          }
          model.held.set(got, { cpu: true })
        } else {
          const allocations = [...model.held.keys()]
          const allocation = allocations[step.at % Math.max(1, allocations.length)]
          if (allocation === undefined) continue
          ledger[step.kind](allocation)
          if (step.kind === 'release') model.held.delete(allocation)
          else model.held.set(allocation, { cpu: step.kind === 'takeCpuAgain' })
        }
        ledger.check()
        expect(ledger.free).toEqual(model.free())
        expect(ledger.allocationCount).toBe(model.held.size)
      }
      for (const allocation of model.held.keys()) ledger.release(allocation)
      ledger.check()
      expect(ledger.free).toEqual(total)
    }),
    { numRuns: 300 },
  )
})

describe('GPUs', () => {
  test('shares of one GPU stay together, so that whole ones stay whole', () => {
    const ledger = new ResourceLedger(gpus(2))
    expect(ledger.allocate(gpus(0.25))?.gpuIds).toEqual([0])
    expect(ledger.allocate(gpus(0.5))?.gpuIds).toEqual([0])
    expect(ledger.allocate(gpus(1))?.gpuIds).toEqual([1])
    expect(ledger.allocate(gpus(0.5))).toBeUndefined()
    expect(ledger.allocate(gpus(0.25))?.gpuIds).toEqual([0])
  })

  test('two halves of two GPUs are no whole one', () => {
    const ledger = new ResourceLedger(gpus(2))
    const first = ledger.allocate(gpus(0.75))
    ledger.allocate(gpus(0.75))
    if (first === undefined) throw new Error('the first share did not fit')
    expect(ledger.free).toEqual({ GPU: 5000 })
    ledger.release(first)
    expect(ledger.allocate(gpus(2))).toBeUndefined()
    expect(ledger.allocate(gpus(1))?.gpuIds).toEqual([0])
  })

  test('a bundle lends the very GPUs it holds', () => {
    const node = new ResourceLedger(gpus(4))
    node.allocate(gpus(1))
    const held = node.allocate(gpus(2))
    if (held === undefined) throw new Error('the bundle did not fit')
    const bundle = ResourceLedger.within(held)
    expect(bundle.allocate(gpus(1))?.gpuIds).toEqual([1])
    expect(bundle.allocate(gpus(0.5))?.gpuIds).toEqual([2])
    expect(bundle.isFeasible(gpus(3))).toBe(false)
    const half = node.allocate(gpus(0.5))
    if (half === undefined) throw new Error('the half did not fit')
    const part = ResourceLedger.within(half)
    expect(part.isFeasible(gpus(0.5))).toBe(true)
    expect(part.isFeasible(gpus(1))).toBe(false)
    part.check()
  })
})

test('feasible is what the total can hold, whatever is held now', () => {
  const ledger = new ResourceLedger(cpus(2))
  ledger.allocate(cpus(2))
  expect(ledger.isFeasible(cpus(2))).toBe(true)
  expect(ledger.isAvailable(cpus(1))).toBe(false)
  expect(ledger.isFeasible(cpus(3))).toBe(false)
  expect(ledger.isFeasible({ disk: 1 })).toBe(false)
  expect(ledger.isFeasible({})).toBe(true)
})

test('a worker that resumes takes its CPU at once, and nobody gets one until it is back', () => {
  const ledger = new ResourceLedger(cpus(1))
  const first = ledger.allocate(cpus(1))
  if (first === undefined) throw new Error('the first did not fit')
  ledger.giveCpuBack(first)
  const second = ledger.allocate(cpus(1))
  if (second === undefined) throw new Error('the second did not fit')
  ledger.takeCpuAgain(first)
  ledger.check()
  expect(ledger.free).toEqual({ CPU: -ONE })
  ledger.release(first)
  expect(ledger.allocate(cpus(1))).toBeUndefined()
  ledger.release(second)
  expect(ledger.free).toEqual(cpus(1))
})

test('what is not held cannot be given back twice', () => {
  const ledger = new ResourceLedger(cpus(1))
  const allocation = ledger.allocate(cpus(1))
  if (allocation === undefined) throw new Error('it did not fit')
  ledger.release(allocation)
  expect(() => ledger.release(allocation)).toThrow(AssertionError)
  expect(() => ledger.giveCpuBack(allocation)).toThrow(AssertionError)
})

test('check can fail: an allocation that was changed behind its back is found', () => {
  const ledger = new ResourceLedger(gpus(1))
  const allocation = ledger.allocate(gpus(0.5))
  Object.assign(allocation ?? {}, { demand: gpus(0.25) })
  expect(() => ledger.check()).toThrow('RL1: GPU adds up to')
  const other = new ResourceLedger(gpus(1))
  const shares = other.allocate(gpus(0.5))
  Object.assign(shares ?? {}, { gpuShares: [] })
  expect(() => other.check()).toThrow('RL1: GPU 0 adds up to')
})
