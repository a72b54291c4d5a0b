// What a wait brings to the node of its program, counted there.
import { expect, test } from 'vitest'
import { nodeAffinity, wait } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes } from './play.ts'
import type { SimMember } from './member.ts'

const SIZE_BYTES = 200_000

const countIn = ({ node }: SimMember): number => node?.store?.list().length ?? 0

test('GE5 wait has what is stored elsewhere brought here, unless it is told not to', async () => {
  const counts = await playNodes({
    plan: calmNodes(3),
    program: async ({ home, others }) => {
      const made = others.map((there, at) => {
        const what = { key: `made ${String(at)}`, sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES }
        const strategy = { schedulingStrategy: nodeAffinity(there.nodeId) }
        return remote.combine.options(strategy).remote({ ...what, atMostOnce: false })
      })
      const all = { numReturns: made.length }
      const seen: number[] = []
      const [complete] = await wait(made, { ...all, fetchLocal: false })
      seen.push(complete.length, countIn(home))
      const [before] = await wait(made, { ...all, timeoutMs: 0 })
      seen.push(before.length)
      const [local] = await wait(made, all)
      seen.push(local.length, countIn(home))
      const [later] = await wait(made, { ...all, timeoutMs: 0 })
      seen.push(later.length)
      for (const ref of made) ref.free()
      return seen
    },
  })
  expect(counts).toEqual([2, 0, 0, 2, 2, 2])
})
