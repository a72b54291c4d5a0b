// Races for one row: a crowd gets through, at a bounded price; who cannot win is told so.
import { expect, test } from 'vitest'
import { GcsUnavailableError, VirgaError } from '../../../runtime/common/errors.ts'
import { delay } from '../../../runtime/common/clock.ts'
import {
  announce,
  openMembership,
  readMembership,
  readNodes,
  registerNode,
  type Member,
} from '../../../runtime/gcs/nodes.ts'
import { CHANGES_MAX } from '../../../runtime/gcs/membership-changes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { RACE_MS_MAX, untilWon } from '../../../runtime/gcs/until-won.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught } from '../../support/waiting.ts'

/** Of a read or a write in the same region. */
const CALL_MS = 5

test('UW3: who has stopped decides nothing more, however the race stands', async () => {
  const clock = new HandClock()
  let isOver = false
  let decisions = 0
  const race = { storage: new MemoryStorage(), clock, random: seededRandom(1) }
  const running = untilWon({ ...race, isOver: () => isOver }, 'node ab12 is announced', () => {
    decisions += 1
    return Promise.resolve('LOST')
  })
  const error = caught(running, VirgaError)
  await clock.advance(100)
  isOver = true
  const before = decisions
  await clock.advance(RACE_MS_MAX)
  expect((await error).message).toContain('this node stops')
  expect(decisions).toBe(before)
})

test('UW1: three hundred nodes that join at once all register, for a few writes each', async () => {
  const clock = new HandClock()
  const memory = new MemoryStorage()
  let writes = 0
  const storage = changedStorage(memory, {
    async get(key) {
      await delay(clock, CALL_MS)
      return await memory.get(key)
    },
    async putIf(key, value, expected) {
      writes += 1
      await delay(clock, CALL_MS)
      return await memory.putIf(key, value, expected)
    },
  })
  const race = { storage, clock, random: seededRandom(1) }
  const opened = await openMembership(memory, 'c')
  const joined: Member[] = []
  for (let index = 0; index < 300; index++) {
    const nodeId = `a${String(index)}`
    const spec = { nodeId, address: `tcp://${nodeId}`, pid: 1, totals: {}, labels: {} }
    void registerNode(race, spec, { ...opened, token: nodeId }).then(async (member) => {
      await announce(race, [{ nodeId, epoch: member.epoch, state: 'ALIVE' }])
      joined.push(member)
    })
  }
  await clock.advance(20_000)
  const membership = await readMembership(memory, { stale: false })
  expect(joined).toHaveLength(300)
  expect(await readNodes(memory)).toHaveLength(300)
  expect(membership).toMatchObject({ version: 300 })
  expect(membership?.changes).toHaveLength(CHANGES_MAX)
  expect(writes).toBeLessThan(300 * 10)
})

test('UW2: who always loses gives up after a while, and says who wanted what', async () => {
  const clock = new HandClock()
  const race = { storage: new MemoryStorage(), clock, random: seededRandom(1) }
  let tries = 0
  const racing = caught(
    untilWon(race, 'node ab12 registers', () => {
      tries += 1
      return Promise.resolve('LOST' as const)
    }),
    GcsUnavailableError,
  )
  await clock.advance(RACE_MS_MAX)
  expect((await racing).message).toContain('node ab12 registers: lost to others')
  expect(tries).toBeLessThan(100)
})
