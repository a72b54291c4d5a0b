// Who holds what of the resources of one node, or of one bundle of a placement group.
// GPUs are instances: a demand below 1 shares one of them, a demand from 1 on gets whole ones, so
// a sum that is large enough may still be no fit.
// Invariants, asserted by check():
//   RL1. free + held = total, for each resource and for each GPU.
//   RL2. Nothing is free below zero but CPU: a worker that resumes takes its CPU back at once.
//   RL3. No GPU has more than its capacity free, nor less than nothing.
//   RL4. Of an allocation whose CPU was given back, no CPU is held.
// Source: Ray src/ray/common/scheduling/resource_instance_set.h (instances, fractions);
// local_lease_manager.h (a blocked worker gives its CPU back).
import { assert } from './assert.ts'
import { CPU, GPU, UNITS_PER_ONE, fits, resourceSet, showResources, unitsOf } from './resources.ts'
import type { ResourceSet } from './resources.ts'

/** A part of one GPU. */
export interface GpuShare {
  readonly gpuId: number
  readonly units: number
}

/** What a holder got. Known by identity: give the same object back. */
export interface Allocation {
  readonly demand: ResourceSet
  readonly gpuShares: readonly GpuShare[]
  /** Ids of the GPUs, in ascending order: what goes to CUDA_VISIBLE_DEVICES. */
  readonly gpuIds: readonly number[]
}

interface Gpu {
  readonly gpuId: number
  readonly capacity: number
  free: number
}

type CpuState = 'held' | 'given back'

export class ResourceLedger {
  readonly total: ResourceSet
  readonly #free: Map<string, number>
  readonly #gpus: readonly Gpu[]
  readonly #allocations = new Map<Allocation, CpuState>()

  /**
   * @param total  all there is; its GPUs are numbered from 0.
   * @param gpuShares  the GPUs, when they are not whole or not numbered from 0.
   */
  constructor(total: ResourceSet, gpuShares: readonly GpuShare[] = wholeGpus(total)) {
    this.total = total
    this.#free = new Map(Object.entries(total))
    this.#gpus = gpuShares
      .map(({ gpuId, units }) => ({ gpuId, capacity: units, free: units }))
      .toSorted((a, b) => a.gpuId - b.gpuId)
  }

  /** A ledger over what an allocation holds: the resources of one bundle. */
  static within(allocation: Allocation): ResourceLedger {
    return new ResourceLedger(allocation.demand, allocation.gpuShares)
  }

  /** What is free now; CPU may be below zero (RL2). */
  get free(): ResourceSet {
    return resourceSet(Object.fromEntries(this.#free))
  }

  get allocationCount(): number {
    return this.#allocations.size
  }

  /** Whether the demand could be met if nothing were held. */
  isFeasible(demand: ResourceSet): boolean {
    if (!fits(demand, this.total)) return false
    return findGpus(this.#gpus, unitsOf(demand, GPU), (gpu) => gpu.capacity) !== undefined
  }

  /** Whether `allocate` would succeed now. */
  isAvailable(demand: ResourceSet): boolean {
    return this.#hasFree(demand) && this.#findFreeGpus(demand) !== undefined
  }

  /** Take the demand, all of it or nothing: undefined when it does not fit now. */
  allocate(demand: ResourceSet): Allocation | undefined {
    if (!this.#hasFree(demand)) return undefined
    const shares = this.#findFreeGpus(demand)
    if (shares === undefined) return undefined
    for (const share of shares) this.#moveGpu(share, -1)
    this.#move(demand, -1)
    const gpuIds = shares.map((share) => share.gpuId)
    const allocation: Allocation = { demand, gpuShares: shares, gpuIds }
    this.#allocations.set(allocation, 'held')
    return allocation
  }

  /** Give everything back. Once for each allocation. */
  release(allocation: Allocation): void {
    const cpu = this.#stateOf(allocation)
    this.#allocations.delete(allocation)
    for (const share of allocation.gpuShares) this.#moveGpu(share, 1)
    this.#move(allocation.demand, 1)
    if (cpu === 'given back') this.#add(CPU, -unitsOf(allocation.demand, CPU))
  }

  /** Give the CPU back and keep the rest: its worker waits in `get`. May be repeated. */
  giveCpuBack(allocation: Allocation): void {
    if (this.#stateOf(allocation) === 'given back') return
    this.#allocations.set(allocation, 'given back')
    this.#add(CPU, unitsOf(allocation.demand, CPU))
  }

  /** Take the CPU again, free or not (RL2): its worker goes on. May be repeated. */
  takeCpuAgain(allocation: Allocation): void {
    if (this.#stateOf(allocation) === 'held') return
    this.#allocations.set(allocation, 'held')
    this.#add(CPU, -unitsOf(allocation.demand, CPU))
  }

  /** @throws AssertionError when RL1 to RL4 do not hold. */
  check(): void {
    this.#checkSums()
    this.#checkGpus()
  }

  #checkSums(): void {
    const held = new Map<string, number>()
    for (const [{ demand }, cpu] of this.#allocations) {
      for (const name of Object.keys(demand)) {
        if (name !== CPU || cpu === 'held') increase(held, name, unitsOf(demand, name))
      }
    }
    for (const name of new Set([
      ...Object.keys(this.total),
      ...this.#free.keys(),
      ...held.keys(),
    ])) {
      const free = this.#free.get(name) ?? 0
      const sum = free + (held.get(name) ?? 0)
      assert(sum === unitsOf(this.total, name), `RL1: ${name} adds up to ${sum}: ${this.#show()}`)
      assert(name === CPU || free >= 0, `RL2: ${name} is ${free} free: ${this.#show()}`)
    }
  }

  #checkGpus(): void {
    const held = new Map<number, number>()
    for (const { gpuShares } of this.#allocations.keys()) {
      for (const share of gpuShares) increase(held, share.gpuId, share.units)
    }
    for (const { gpuId, capacity, free } of this.#gpus) {
      const sum = free + (held.get(gpuId) ?? 0)
      assert(sum === capacity, `RL1: GPU ${gpuId} adds up to ${sum} of ${capacity}`)
      assert(free >= 0 && free <= capacity, `RL3: GPU ${gpuId} has ${free} of ${capacity} free`)
    }
  }

  #show(): string {
    return `total ${showResources(this.total)}, free ${showResources(this.free)}`
  }

  #hasFree(demand: ResourceSet): boolean {
    for (const name in demand) {
      if (unitsOf(demand, name) > (this.#free.get(name) ?? 0)) return false
    }
    return true
  }

  #findFreeGpus(demand: ResourceSet): GpuShare[] | undefined {
    return findGpus(this.#gpus, unitsOf(demand, GPU), (gpu) => gpu.free)
  }

  #stateOf(allocation: Allocation): CpuState {
    const state = this.#allocations.get(allocation)
    assert(state !== undefined, `${showResources(allocation.demand)} is not held in this ledger`)
    return state
  }

  #move(demand: ResourceSet, sign: 1 | -1): void {
    for (const name of Object.keys(demand)) this.#add(name, sign * unitsOf(demand, name))
  }

  #add(name: string, units: number): void {
    increase(this.#free, name, units)
  }

  #moveGpu({ gpuId, units }: GpuShare, sign: 1 | -1): void {
    const gpu = this.#gpus.find((candidate) => candidate.gpuId === gpuId)
    assert(gpu !== undefined, `there is no GPU ${gpuId} in this ledger`)
    gpu.free += sign * units
  }
}

/**
 * The GPUs for a demand: the fullest that still has room for a share, so that whole ones stay
 * whole; the first whole ones otherwise.
 */
function findGpus(
  gpus: readonly Gpu[],
  units: number,
  roomOf: (gpu: Gpu) => number,
): GpuShare[] | undefined {
  if (units === 0) return []
  if (units < UNITS_PER_ONE) {
    const fitting = gpus.filter((gpu) => roomOf(gpu) >= units)
    const best = fitting.toSorted((a, b) => roomOf(a) - roomOf(b) || a.gpuId - b.gpuId)[0]
    return best && [{ gpuId: best.gpuId, units }]
  }
  const count = units / UNITS_PER_ONE
  assert(Number.isInteger(count), `a demand of ${count} GPUs is neither a share nor whole`)
  const whole = gpus.filter((gpu) => roomOf(gpu) === UNITS_PER_ONE).slice(0, count)
  if (whole.length < count) return undefined
  return whole.map(({ gpuId }) => ({ gpuId, units: UNITS_PER_ONE }))
}

function wholeGpus(total: ResourceSet): GpuShare[] {
  const count = unitsOf(total, GPU) / UNITS_PER_ONE
  assert(Number.isInteger(count), `a node of ${count} GPUs: give the shares of a part of one`)
  return Array.from({ length: count }, (_, gpuId) => ({ gpuId, units: UNITS_PER_ONE }))
}

function increase<K>(amounts: Map<K, number>, key: K, units: number): void {
  amounts.set(key, (amounts.get(key) ?? 0) + units)
}
