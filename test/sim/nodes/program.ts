// What the driver of each node does: bursts of tasks, more than its node has CPUs, again and again.
// What comes back is right or an error; when nothing goes wrong any more, all of it comes back.
import { get } from '../../../sdk/index.ts'
import type { Draw } from '../draw.ts'
import * as remote from '../workload.ts'
import type { World } from '../world.ts'
import type { SimMember } from './member.ts'

export class NodesProgram {
  readonly #world: World
  readonly #member: SimMember
  readonly #draw: Draw

  constructor(world: World, member: SimMember, draw: Draw) {
    this.#world = world
    this.#member = member
    this.#draw = draw
  }

  /** Until its process ends. */
  async run(): Promise<void> {
    const { machine } = this.#member
    for (let round = 1; ; round += 1) {
      if (await this.#burst(`${machine}.${String(round)}`)) {
        this.#member.goodAtMs = this.#world.scheduler.nowMs
      }
      await remote.sleep(this.#draw.between(500, 3_000))
    }
  }

  /** @returns whether all went well. */
  async #burst(name: string): Promise<boolean> {
    const refs = Array.from({ length: this.#draw.int(1, 5) }, (_, i) =>
      remote.combine.remote({
        ...{ key: `${name}.${String(i)}`, sleepMs: this.#draw.between(50, 800), spinMs: 0 },
        ...{ sizeBytes: 0, atMostOnce: false },
      }),
    )
    const ends = await Promise.allSettled(refs.map((ref) => get(ref)))
    for (const ref of refs) ref.free()
    ends.forEach((end, i) => {
      if (end.status === 'rejected') return
      const key = `${name}.${String(i)}`
      if (end.value !== remote.combined(key, [])) {
        this.#world.scheduler.fail(`${key} gave ${String(end.value)}`)
      }
    })
    return ends.every(({ status }) => status === 'fulfilled')
  }
}
