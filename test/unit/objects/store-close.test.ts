// The end of a store whose spill place does not answer any more.
import { expect, it } from 'vitest'
import { silentLog, type Log } from '../../../runtime/common/log.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { HandClock } from '../../support/hand-clock.ts'

const MIB = 1024 * 1024

it('ends within 3 s, in which a node ends in good order, and says that it left something', async () => {
  const clock = new HandClock()
  const warnings: string[] = []
  const log: Log = { ...silentLog, warn: (message) => warnings.push(message) }
  const spill = new MemorySpill({ capacityBytes: MIB })
  spill.close = () => new Promise(() => undefined)
  const arena = new MemoryArena({ sizeBytes: MIB })
  const store = new ObjectStore({ arena, spill, clock, log }, { sizeBytes: MIB })
  let isClosed = false
  const closing = store.close().then(() => (isClosed = true))
  await clock.advance(2_999)
  expect(isClosed).toBe(false)
  await clock.advance(1)
  await closing
  expect(warnings).toEqual([expect.stringContaining('their place did not answer within 3 s')])
})
