// A large argument says where it lies: nobody else is asked for it.
import { expect, test, vi } from 'vitest'
import { ObjectPulls } from '../../../runtime/raylet/cluster/object-pulls.ts'
import { get } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes } from './play.ts'
import { aDoing, on } from './scene.ts'

const what = aDoing('made')

test.each(['was passed as a value', 'was made elsewhere'])(
  'D240 what %s is read without a question to all nodes',
  async (kind) => {
    const requested = vi.spyOn(ObjectPulls.prototype, 'requested')
    try {
      const value = await playNodes({
        plan: calmNodes(5),
        program: async ({ others }) => {
          const [maker, reader] = others as [SimMember, SimMember]
          const made = remote.combine.options({ schedulingStrategy: on(maker) }).remote(what)
          const isValue = kind === 'was passed as a value'
          const argument = isValue ? await get(made) : made
          requested.mockClear()
          const reads = remote.combine.options({ schedulingStrategy: on(reader) })
          const key = 'reads it'
          return remote.digestOf(await get(reads.remote({ ...what, key, sizeBytes: 10 }, argument)))
        },
      })
      expect(value).toBe(remote.combined('reads it', [remote.combined('made', [])]))
      expect(requested.mock.calls.filter(([{ type }]) => type === 'holds')).toEqual([])
    } finally {
      requested.mockRestore()
    }
  },
)
