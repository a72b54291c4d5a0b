// Streams of large items whose producer's node is lost while they are read.
import { expect, test } from 'vitest'
import { get } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, leave, losePower, on } from './scene.ts'

const ITEMS = 12
const AT = [0, 3, 8, ITEMS - 1]
const PACES = [
  { makesMs: 20, readsMs: 0 },
  { makesMs: 0, readsMs: 40 },
  { makesMs: 20, readsMs: 60 },
  { makesMs: 5, readsMs: 5 },
]
const ENDS: Readonly<Record<string, (scene: Scene, others: readonly SimMember[]) => void>> = {
  dies: (scene, [there]) => {
    if (there !== undefined) losePower(scene, there)
  },
  'leaves, as all others do': (scene, others) => {
    for (const other of others) void leave(scene, other)
  },
}
const CASES = Object.keys(ENDS).flatMap((how) =>
  AT.flatMap((at) => PACES.map((pace) => ({ how, at, ...pace }))),
)

test.each(CASES)(
  'ST4 the node of three streams $how at item $at ($makesMs, $readsMs ms): all are read, in order',
  async ({ how, at, makesMs, readsMs }) => {
    const plan = calmNodes(3)
    const read = await playNodes({
      plan: { ...plan, node: { ...plan.node, cpus: 4 } },
      program: async (scene) => {
        const [there] = scene.others as [SimMember]
        const readAll = async (name: string, isFirst: boolean): Promise<number> => {
          const what = aDoing(name, { sleepMs: makesMs })
          const from = remote.stream.options({ schedulingStrategy: on(there, true), maxRetries: 5 })
          let count = 0
          for await (const ref of from.remote(what, ITEMS)) {
            if (isFirst && count === at) ENDS[how]?.(scene, scene.others)
            const value = await get(ref)
            if (remote.digestOf(value) === remote.digestOfPart(what, count)) count += 1
            ref.free()
            await remote.sleep(readsMs)
          }
          return count
        }
        return await Promise.all(['a', 'b', 'c'].map((name, i) => readAll(name, i === 0)))
      },
    })
    expect(read).toEqual([ITEMS, ITEMS, ITEMS])
  },
)
