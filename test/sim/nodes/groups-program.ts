// Placement groups over nodes: reserved, used while their nodes die, mended, and removed. What is
// detached outlives its driver, with what it has reserved: another driver removes it.
import {
  get,
  getPlacementGroup,
  inPlacementGroup,
  placementGroup,
  type PlacementGroup,
} from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { SLOTS } from './plan.ts'
import type { Part, PartHost } from './program.ts'

const STRATEGIES = ['PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD'] as const
const READY_MS = 30_000
const KEPT_MS_MAX = 2_500
const WORK_MS_MAX = 300
const ROUNDS_MAX = 2

export class GroupsProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    await this.#removeLeft()
    const { draw, cluster, member } = this.#host
    const strategy = draw.pick(STRATEGIES)
    const count = this.#bundleCount(strategy)
    this.#host.judge.note(`reserves ${name}, ${strategy} of ${String(count)}`)
    const isDetached = draw.chance(0.15)
    if (isDetached) cluster.detachedGroups.set(name, member)
    const group = placementGroup(
      Array.from({ length: count }, () => ({ slot: 1 })),
      { strategy, name, ...(isDetached ? { lifetime: 'detached' } : {}) },
    )
    const wentWell = await this.#use(name, group)
    const isRemoved = await this.#remove(name, group)
    if (isRemoved) cluster.detachedGroups.delete(name)
    return isRemoved && wentWell
  }

  /** Those of nodes that have ended. One that is not found now may be: it is looked for again. */
  async #removeLeft(): Promise<void> {
    const { detachedGroups } = this.#host.cluster
    for (const [name, { process }] of [...detachedGroups]) {
      if (process.alive) continue
      try {
        await this.#remove(name, await getPlacementGroup(name))
        detachedGroups.delete(name)
      } catch (error) {
        this.#host.judge.failed(`looking for ${name}`, error)
      }
    }
  }

  /** So many fit even when only as many nodes are well as always are. */
  #bundleCount(strategy: (typeof STRATEGIES)[number]): number {
    const { draw, cluster } = this.#host
    return draw.int(1, strategy === 'STRICT_PACK' ? SLOTS : cluster.plan.wellMin)
  }

  async #use(name: string, group: PlacementGroup): Promise<boolean> {
    const { draw } = this.#host
    try {
      await group.ready({ timeoutMs: READY_MS })
      this.#host.judge.note(`${name} is reserved`)
      for (let round = draw.int(1, ROUNDS_MAX); round > 0; round -= 1) {
        await Promise.all(
          group.bundles.map((_, i) => this.#work(`${name}.${String(round)}`, group, i)),
        )
        await remote.sleep(draw.between(0, KEPT_MS_MAX))
      }
      return true
    } catch (error) {
      this.#host.judge.failed(name, error)
      return false
    }
  }

  async #work(name: string, group: PlacementGroup, bundleIndex: number): Promise<void> {
    const key = `${name}.${String(bundleIndex)}`
    const schedulingStrategy = inPlacementGroup(group, { bundleIndex })
    const sleepMs = this.#host.draw.between(0, WORK_MS_MAX)
    const doing = { key, sleepMs, spinMs: 0, sizeBytes: 0, atMostOnce: false }
    const ref = remote.combine
      .options({ schedulingStrategy, numCpus: 0, resources: { slot: 1 } })
      .remote(doing)
    try {
      const digest = remote.digestOf(await get(ref))
      if (digest !== remote.combined(key, []))
        this.#host.judge.broken(`I1: ${key} gave ${String(digest)}`)
    } finally {
      ref.free()
    }
  }

  async #remove(name: string, group: PlacementGroup): Promise<boolean> {
    try {
      await group.remove()
      this.#host.judge.note(`${name} is removed`)
      return true
    } catch (error) {
      this.#host.judge.failed(name, error)
      return false
    }
  }
}
