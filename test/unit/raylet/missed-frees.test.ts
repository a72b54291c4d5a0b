// What a node may have missed of frees, as the connection to it broke, is told it until it answers.
import { beforeEach, expect, it } from 'vitest'
import { NodeDiedError } from '../../../runtime/common/errors.ts'
import { MissedFrees, type MissedFreesDeps } from '../../../runtime/raylet/cluster/missed-frees.ts'
import { HandClock } from '../../support/hand-clock.ts'

let clock: HandClock
let living: string[]
let isAway: boolean
let asked: number
let heard: string[]
let ages: number[]
let frees: MissedFrees

beforeEach(() => {
  clock = new HandClock()
  living = ['a1', 'a2']
  isAway = false
  asked = 0
  heard = []
  ages = []
  const ask = (
    nodeId: string,
    _: string,
    { objectIds, agesMs }: { objectIds: string[]; agesMs: number[] },
  ) => {
    asked += 1
    if (isAway) return Promise.reject(new NodeDiedError('it is away'))
    ages.push(...agesMs)
    heard.push(...objectIds.map((id) => `${nodeId} ${id}`))
    return Promise.resolve(undefined)
  }
  const others = (): object[] => living.map((nodeId) => ({ nodeId }))
  frees = new MissedFrees({
    clock,
    member: { ask, others } as unknown as MissedFreesDeps['member'],
  })
})

it('MF1: what was freed before a connection broke, and since, is told until the node answers', async () => {
  frees.freed(['old'])
  await clock.advance(120_000)
  frees.freed(['x', 'y'])
  isAway = true
  frees.lost('a1')
  await clock.advance(10_000)
  frees.freed(['z'])
  isAway = false
  await clock.advance(10_000)
  expect(heard).toEqual(['a1 x', 'a1 y', 'a1 z'])
  expect(clock.pendingCount).toBe(0)
})

it('MF3: each is told with how long ago it was freed', async () => {
  frees.freed(['x'])
  isAway = true
  frees.lost('a1')
  await clock.advance(7_000)
  frees.freed(['y'])
  isAway = false
  await clock.advance(1_000)
  expect(ages).toEqual([8_000, 1_000])
})

it('MF1: nothing is told a node that is dead, or where nothing was freed', async () => {
  frees.lost('a1')
  frees.freed(['x'])
  await clock.advance(10_000)
  living = ['a2']
  frees.lost('a1')
  await clock.advance(10_000)
  expect(asked).toBe(0)
  expect(clock.pendingCount).toBe(0)
})

it('MF2: of very many the newest are told, a part at a time', async () => {
  isAway = true
  frees.freed(['x'])
  frees.lost('a1')
  frees.freed(Array.from({ length: 10_000 }, (_, i) => String(i)))
  await clock.advance(5_000)
  asked = 0
  isAway = false
  await clock.advance(60_000)
  expect(heard).toHaveLength(10_000)
  expect(heard).not.toContain('a1 x')
  expect(asked).toBe(10)
  expect(clock.pendingCount).toBe(0)
})
