// What nodes that left have handed to this one is freed once its job has ended everywhere, which
// nobody tells; and no sooner, though nothing of the job is left on this node.
import { beforeEach, expect, it } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { KeptObjects, type KeptObjectsDeps } from '../../../runtime/raylet/cluster/kept-objects.ts'
import { LOOK_MS_MAX, LOOK_MS_MIN } from '../../../runtime/raylet/cluster/looks.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { detachedActorOf, endActorOf } from './actor-row.ts'

const jobOf = (letter: string): JobId => letter.repeat(4) as JobId

let clock: HandClock
let here: JobId[]
let elsewhere: JobId[]
let isSilent: boolean
let isEmpty: boolean
let asked: number
let freed: JobId[]
let answering: Promise<void> | undefined
let kept: KeptObjects
let storage: MemoryStorage

beforeEach(() => {
  clock = new HandClock()
  storage = new MemoryStorage()
  here = []
  elsewhere = []
  isSilent = false
  isEmpty = false
  asked = 0
  freed = []
  answering = undefined
  const askEach = async (): Promise<unknown> => {
    asked += 1
    await answering
    return { answers: [{ jobIds: elsewhere }], silent: isSilent ? ['b'] : [] }
  }
  kept = new KeptObjects({
    ...{ clock, storage, log: silentLog },
    member: { askEach } as unknown as KeptObjectsDeps['member'],
    liveJobs: () => here,
    stored: () => ({ has: () => !isEmpty }),
    free: (jobId) => {
      freed.push(jobId)
    },
  })
})

it('KO3: of a job that ended while the object came it is freed within two looks', async () => {
  kept.keptFor(jobOf('a'))
  await clock.advance(2 * LOOK_MS_MIN)
  expect(freed).toEqual([jobOf('a')])
  expect(clock.pendingCount).toBe(0)
})

it('KO1: not while anything of the job lives, here or elsewhere', async () => {
  elsewhere = [jobOf('a'), jobOf('b')]
  for (const letter of ['a', 'b']) kept.keptFor(jobOf(letter))
  await clock.advance(5 * LOOK_MS_MAX)
  here = [jobOf('b')]
  elsewhere = []
  await clock.advance(LOOK_MS_MAX + LOOK_MS_MIN)
  expect(freed).toEqual([jobOf('a')])
})

it('KO1: not of a job that is on no node for a moment only', async () => {
  kept.keptFor(jobOf('a'))
  for (let i = 0; i < 5; i += 1) {
    elsewhere = []
    await clock.advance(LOOK_MS_MIN)
    elsewhere = [jobOf('a')]
    await clock.advance(LOOK_MS_MAX)
  }
  expect(freed).toEqual([])
})

it('KO1: not while a detached actor of it may start again, though it is on no node for long', async () => {
  await detachedActorOf(storage, jobOf('a'))
  kept.keptFor(jobOf('a'))
  await clock.advance(5 * LOOK_MS_MAX)
  expect(freed).toEqual([])
  expect(asked).toBeLessThan(10)
  await endActorOf(storage, jobOf('a'))
  await clock.advance(LOOK_MS_MAX)
  expect(freed).toEqual([jobOf('a')])
})

it('KO1: nor while the rows that would say so cannot be read', async () => {
  const query = storage.query.bind(storage)
  storage.query = () => Promise.reject(new GcsUnavailableError('injected'))
  kept.keptFor(jobOf('a'))
  await clock.advance(5 * LOOK_MS_MAX)
  expect(freed).toEqual([])
  storage.query = query
  await clock.advance(LOOK_MS_MAX)
  expect(freed).toEqual([jobOf('a')])
})

it('KO1: not while a node does not say what lives on it', async () => {
  isSilent = true
  kept.keptFor(jobOf('a'))
  await clock.advance(5 * LOOK_MS_MAX)
  expect(freed).toEqual([])
  isSilent = false
  await clock.advance(2 * LOOK_MS_MAX)
  expect(freed).toEqual([jobOf('a')])
})

it('KO2: what of the job ends here frees nothing that is kept, but is looked after soon', async () => {
  elsewhere = [jobOf('a')]
  kept.keptFor(jobOf('a'))
  await clock.advance(10 * LOOK_MS_MAX)
  expect(kept.jobForgotten(jobOf('a'))).toBe(true)
  expect(kept.jobForgotten(jobOf('b'))).toBe(false)
  await clock.advance(LOOK_MS_MIN)
  expect(freed).toEqual([])
  elsewhere = []
  await clock.advance(3 * LOOK_MS_MIN)
  expect(freed).toEqual([jobOf('a')])
})

it('KO3: what is handed over while all are asked waits for two looks of its own', async () => {
  kept.keptFor(jobOf('a'))
  await clock.advance(LOOK_MS_MIN)
  let answer = (): void => undefined
  answering = new Promise((resolve) => {
    answer = resolve
  })
  await clock.advance(LOOK_MS_MIN)
  kept.keptFor(jobOf('a'))
  answer()
  await clock.advance(0)
  expect(freed).toEqual([])
  await clock.advance(2 * LOOK_MS_MIN)
  expect(freed).toEqual([jobOf('a')])
})

it('looks less and less often while a job goes on, and never once it has stopped', async () => {
  elsewhere = [jobOf('a')]
  kept.keptFor(jobOf('a'))
  await clock.advance(3_600_000)
  expect(asked).toBeLessThan(70)
  kept.stop()
  asked = 0
  await clock.advance(3_600_000)
  expect(asked).toBe(0)
})

it('looks in time although jobs end here one after the other', async () => {
  for (const letter of 'abcdefgh') {
    kept.keptFor(jobOf(letter))
    await clock.advance(0.75 * LOOK_MS_MIN)
  }
  expect(freed).toContain(jobOf('a'))
})

it('asks nobody once owners have freed all that was kept', async () => {
  elsewhere = [jobOf('a')]
  kept.keptFor(jobOf('a'))
  await clock.advance(LOOK_MS_MIN)
  expect(asked).toBe(1)
  isEmpty = true
  await clock.advance(3_600_000)
  expect(asked).toBe(1)
  expect(clock.pendingCount).toBe(0)
  expect(freed).toEqual([])
})
