// What one node tells everybody for a crowd: in few writes, and nothing of it is forgotten.
import { beforeEach, expect, test } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { Announcer, CROWD } from '../../../runtime/gcs/announcer.ts'
import type { Announcement } from '../../../runtime/gcs/membership-changes.ts'
import { openMembership, readMembership, type NodeRow } from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught } from '../../support/waiting.ts'

const EVERY_MS = 250
const SELF = 'ff'

let clock: HandClock
let memory: MemoryStorage
let writes: number
let isAway: boolean
/** Nodes that were asked to announce for this one, and how many of the next do not. */
let asked: string[]
let silent: number
let state: NodeRow['state']
let suspected: Set<string>
beforeEach(async () => {
  clock = new HandClock()
  memory = new MemoryStorage()
  writes = 0
  isAway = false
  asked = []
  silent = 0
  state = 'ALIVE'
  suspected = new Set()
  await openMembership(memory, 'c')
})

function made({ isCrowd }: { readonly isCrowd: boolean }): Announcer {
  const storage = changedStorage(memory, {
    putIf: async (key, value, expected) => {
      if (isAway) throw new GcsUnavailableError('it is away')
      writes += 1
      return await memory.putIf(key, value, expected)
    },
  })
  const race = { storage, clock, random: seededRandom(1), isOver: () => false }
  const others = isCrowd ? Array.from({ length: CROWD }, (_, index) => rowOf(index)) : []
  const view = { size: others.length, living: () => others }
  const announceAt = (node: NodeRow): Promise<boolean> => {
    asked.push(node.nodeId)
    return Promise.resolve(silent-- <= 0)
  }
  return new Announcer({
    ...{ self: SELF, race, view, announceAt },
    isSuspected: (nodeId) => suspected.has(nodeId),
  })
}

const rowOf = (index: number): NodeRow =>
  ({ nodeId: joined(index).nodeId, epoch: 1, state }) as NodeRow

const joined = (index: number): Announcement => {
  return { nodeId: index.toString(16).padStart(6, '0'), epoch: 1, state: 'ALIVE' }
}
async function told(): Promise<string[]> {
  const membership = await readMembership(memory, { stale: false })
  return (membership?.changes ?? []).map(({ nodeId }) => nodeId)
}

test('AN1: in a crowd the first goes at once, and what is told within the pause as one write', async () => {
  const announcer = made({ isCrowd: true })
  const first = announcer.announceHere(joined(0))
  await clock.advance(0)
  await first
  expect(writes).toBe(1)
  const others = [1, 2, 3, 3].map((index) => announcer.announceHere(joined(index)))
  await clock.advance(EVERY_MS - 1)
  expect(writes).toBe(1)
  await clock.advance(1)
  await Promise.all(others)
  expect(writes).toBe(2)
  expect(await told()).toEqual([0, 1, 2, 3].map((index) => joined(index).nodeId))
})

test('AN1: where there is no crowd nothing waits but for the write before it', async () => {
  const announcer = made({ isCrowd: false })
  for (const index of [0, 1, 2]) {
    const announced = announcer.announceHere(joined(index))
    await clock.advance(0)
    await announced
  }
  expect(writes).toBe(3)
})

test('a write that fails is told to those who wait for it alone', async () => {
  const announcer = made({ isCrowd: true })
  isAway = true
  const lost = caught(announcer.announceHere(joined(0)), GcsUnavailableError)
  await clock.advance(0)
  await lost
  isAway = false
  const next = announcer.announceHere(joined(1))
  await clock.advance(EVERY_MS)
  await next
  expect(await told()).toEqual([joined(1).nodeId])
})

test('AN2: who finds ten thousand waiting is refused, and they are told', async () => {
  const announcer = made({ isCrowd: true })
  const first = announcer.announceHere(joined(0))
  await clock.advance(0)
  await first
  const waiting = Array.from({ length: 10_000 }, (_, at) => announcer.announceHere(joined(at + 1)))
  await caught(announcer.announceHere(joined(20_000)), GcsUnavailableError)
  await clock.advance(EVERY_MS)
  await Promise.all(waiting)
  expect(writes).toBe(2)
  expect((await told()).at(-1)).toBe(joined(10_000).nodeId)
})

test('AN3: of a crowd one node announces, the same for all; without its word another, then this one', async () => {
  const announcer = made({ isCrowd: true })
  await announcer.announce(joined(0))
  await announcer.announce(joined(1))
  expect(new Set(asked).size).toBe(1)
  silent = 1
  await announcer.announce(joined(2))
  expect(new Set(asked).size).toBe(2)
  expect(writes).toBe(0)
  silent = 2
  const alone = announcer.announce(joined(3))
  await clock.advance(0)
  await alone
  expect([new Set(asked).size, writes]).toEqual([2, 1])
})

test('AN3: who drains announces where all do, and else for nobody', async () => {
  state = 'DRAINING'
  await made({ isCrowd: true }).announce(joined(0))
  expect([asked.length, writes]).toEqual([1, 0])
})

test('AN4: who leaves a crowd tells nobody where all drain', () => {
  expect(made({ isCrowd: true }).allLeave).toBe(false)
  state = 'DRAINING'
  expect(made({ isCrowd: true }).allLeave).toBe(true)
  expect(made({ isCrowd: false }).allLeave).toBe(false)
})

test('AN3: who is suspected announces for nobody', async () => {
  const announcer = made({ isCrowd: true })
  await announcer.announce(joined(0))
  suspected = new Set(asked)
  await announcer.announce(joined(1))
  expect(new Set(asked).size).toBe(2)
})

test('AN3: few announce each for themselves', async () => {
  await made({ isCrowd: false }).announce(joined(0))
  expect([asked, writes]).toEqual([[], 1])
})
