// D249: placement groups that need whole nodes have their turn among loops of small ones, which
// leave no node free for a moment.
import { describe, expect, test } from 'vitest'
import { placementGroup } from '../../../sdk/index.ts'
import type { Resources } from '../../../runtime/common/surface-options.ts'
import { Draw } from '../draw.ts'
import { sleep } from '../workload.ts'
import { calmNodes, playNodes } from './play.ts'
import type { Scene } from './play.ts'

const NODES = 3
const SMALL: Resources = { CPU: 0.25 }
const WHOLE: Resources = { CPU: 1 }
const SMALL_PER_NODE = 4

type Strategy = 'PACK' | 'STRICT_SPREAD'

/** Ever new groups, one after the other. */
interface Loop {
  readonly bundles: Resources[]
  readonly strategy: Strategy
  readonly untilMs: number
  readonly holdMs: () => number
}

/** @returns for each group how long it waited to be reserved. */
async function run({ cluster }: Scene, loop: Loop): Promise<number[]> {
  const { bundles, strategy, untilMs, holdMs } = loop
  const { scheduler } = cluster.world
  const waits: number[] = []
  while (scheduler.nowMs < untilMs) {
    const askedMs = scheduler.nowMs
    const group = placementGroup(bundles, { strategy })
    await group.ready()
    waits.push(scheduler.nowMs - askedMs)
    await sleep(holdMs())
    await group.remove()
  }
  return waits
}

function loopsOfSmall(scene: Scene, untilMs: number, heldMs: number): Promise<number[]>[] {
  return Array.from({ length: NODES * SMALL_PER_NODE }, (_, index) => {
    const draw = new Draw(`small ${String(index)}`)
    const holdMs = (): number => draw.between(heldMs / 2, heldMs * 1.5)
    return run(scene, { bundles: [SMALL], strategy: 'PACK', untilMs, holdMs })
  })
}

const large = (scene: Scene, untilMs: number, nodeCount: number): Promise<number[]> =>
  run(scene, {
    bundles: Array.from({ length: nodeCount }, () => WHOLE),
    strategy: 'STRICT_SPREAD',
    untilMs,
    holdMs: () => 10,
  })

const play = (loadMs: number, heldMs: number, sizes: readonly number[]): Promise<number[][]> =>
  playNodes({
    plan: calmNodes(NODES),
    program: async (scene) => {
      const untilMs = scene.cluster.world.scheduler.nowMs + loadMs
      const small = loopsOfSmall(scene, untilMs, heldMs)
      const waits = await Promise.all(sizes.map((size) => large(scene, untilMs, size)))
      await Promise.all(small)
      return waits
    },
  })

describe('groups of whole nodes beside loops of small ones', () => {
  test('GT1 have their turn within two seconds, on one node and on each of several', async () => {
    for (const waits of await play(5_000, 50, [1, 2, NODES])) {
      expect(waits.length).toBeGreaterThan(5)
      expect(Math.max(...waits)).toBeLessThan(2_000)
    }
  })

  test('HB3 two that each need all nodes have it by turns, as one gives way', async () => {
    for (const waits of await play(5_000, 50, [NODES, NODES])) {
      expect(waits.length).toBeGreaterThan(5)
      expect(Math.max(...waits)).toBeLessThan(2_000)
    }
  })

  test('HB3 have their turn beside such as are held for longer, too', async () => {
    for (const waits of await play(10_000, 600, [1, NODES])) {
      expect(Math.max(...waits)).toBeLessThan(10_000)
    }
  })
})
