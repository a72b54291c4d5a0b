// Copies elsewhere of what an ended process owned are freed when nobody refers to them any more.
import { beforeEach, expect, it } from 'vitest'
import {
  jobIdOfObject,
  type JobId,
  type ObjectId,
  type WorkerId,
} from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { LeftCopies } from '../../../runtime/raylet/cluster/left-copies.ts'
import { LOOK_MS_MIN } from '../../../runtime/raylet/cluster/looks.ts'
import { HandClock } from '../../support/hand-clock.ts'

const ONE = 'object-of-a-job-that-is-long-enough-1'
const TWO = 'object-of-a-job-that-is-long-enough-2'
const JOB = jobIdOfObject(ONE as ObjectId)
const OWNER = 'owner' as WorkerId

let clock: HandClock
/** What the nodes say together; undefined: one is silent. */
let live: boolean | undefined
let isDriven: boolean | undefined
let held: string[] | undefined
let asked: number
let freed: Record<string, readonly string[]>[]
let copies: LeftCopies

beforeEach(() => {
  clock = new HandClock()
  live = true
  isDriven = false
  held = []
  asked = 0
  freed = []
  const jobs = (isIn: boolean | undefined): Promise<ReadonlySet<JobId> | undefined> =>
    Promise.resolve(isIn === undefined ? undefined : new Set(isIn ? [JOB] : []))
  copies = new LeftCopies({
    ...{ clock, log: silentLog },
    liveJobs: () => {
      asked += 1
      return jobs(live)
    },
    driven: () => jobs(isDriven),
    referred: () => Promise.resolve(held && new Set(held)),
    free: (told) => {
      freed.push(Object.fromEntries(told))
    },
  })
})

const looks = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await clock.advance(LOOK_MS_MIN)
}
const ends = (): void => {
  copies.ownerEnded(
    OWNER,
    new Map([
      ['a1', [ONE, TWO]],
      ['b2', [TWO]],
    ]),
  )
}

it('EO1: two looks have found nobody: all who may have a copy are told', async () => {
  ends()
  await looks(1)
  expect(freed).toEqual([])
  await looks(1)
  expect(freed).toEqual([{ a1: [ONE, TWO], b2: [TWO] }])
  await looks(30)
  expect(asked).toBe(2)
})

it('EO1: what is referred to stays until it is not; where the driver lives, the rest with it', async () => {
  held = [ONE]
  isDriven = true
  ends()
  await looks(30)
  expect(freed).toEqual([])
  isDriven = false
  await looks(30)
  expect(freed).toEqual([{ a1: [TWO], b2: [TWO] }])
  held = []
  await looks(30)
  expect(freed.slice(1)).toEqual([{ a1: [ONE] }])
})

it.each([
  [
    'live',
    (): void => {
      live = undefined
    },
  ],
  [
    'are driven',
    (): void => {
      isDriven = undefined
    },
  ],
  [
    'are referred to',
    (): void => {
      held = undefined
    },
  ],
])('EO2: somebody does not say which %s, between two looks: they stay', async (_, falls) => {
  ends()
  await looks(1)
  falls()
  await looks(30)
  expect(freed).toEqual([])
})

it('EO3: nobody asks but after an end, and no more once the job is over', async () => {
  copies.ownerEnded(OWNER, new Map())
  await looks(30)
  expect(asked).toBe(0)
  live = false
  ends()
  await looks(30)
  expect([asked, freed]).toEqual([1, []])
})
