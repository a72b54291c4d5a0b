// What is left of a process of whose end this node may not have heard is freed when nobody has it.
import { beforeEach, expect, it } from 'vitest'
import type { JobId, ObjectId } from '../../../runtime/common/ids.ts'
import { jobIdOfObject } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { LOOK_MS_MIN } from '../../../runtime/raylet/cluster/looks.ts'
import {
  UnownedObjects,
  type UnownedObjectsDeps,
} from '../../../runtime/raylet/cluster/unowned-objects.ts'
import { HandClock } from '../../support/hand-clock.ts'

const ID = 'object-of-a-job-that-is-long-enough-0' as ObjectId
const JOB: JobId = jobIdOfObject(ID)
const OWNER = 'owner'

let clock: HandClock
/** What the other nodes say; undefined: one is silent. */
let others: { owners: string[]; jobIds: string[]; objectIds: string[] } | undefined
/** Those of this node. */
let referred: string[] | undefined
let clients: Map<string, object>
let asked: number
let freed: string[]
let unowned: UnownedObjects

beforeEach(() => {
  clock = new HandClock()
  others = { owners: [], jobIds: [], objectIds: [] }
  referred = []
  clients = new Map()
  asked = 0
  freed = []
  const held = { isPrimary: true, owner: OWNER, sizeBytes: 1 }
  const list = (): object[] => (freed.length > 0 ? [] : [{ objectId: ID }])
  unowned = new UnownedObjects({
    ...{ clock, log: silentLog },
    member: {
      askEach: () => {
        asked += 1
        const answer = { answers: others === undefined ? [] : [others] }
        return Promise.resolve({ ...answer, silent: others === undefined ? ['a1'] : [] })
      },
    } as unknown as UnownedObjectsDeps['member'],
    state: { clients, jobs: new Map() } as unknown as UnownedObjectsDeps['state'],
    objects: { opened: { store: { list, holding: () => held } } } as never,
    refersTo: () =>
      referred === undefined ? Promise.reject(new Error('busy')) : Promise.resolve(referred),
    free: (objectIds) => {
      freed.push(...objectIds)
    },
  })
})

const looks = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await clock.advance(LOOK_MS_MIN)
}

it('UO2: it is freed when two looks have found nobody that refers to it', async () => {
  unowned.lost()
  await looks(1)
  expect(freed).toEqual([])
  await looks(1)
  expect(freed).toEqual([ID])
})

it('UO2: it stays where somebody is found between', async () => {
  unowned.lost()
  await looks(1)
  referred = [ID]
  await looks(1)
  referred = []
  unowned.lost()
  await looks(1)
  expect(freed).toEqual([])
})

it.each([
  ['UO1: its driver lives', () => ({ owners: [], jobIds: [JOB], objectIds: [] })],
  ['UO2: its owner lives', () => ({ owners: [OWNER], jobIds: [], objectIds: [] })],
  ['UO2: a process elsewhere refers to it', () => ({ owners: [], jobIds: [], objectIds: [ID] })],
  ['UO2: a node is silent', () => undefined],
])('%s: it stays', async (_, said) => {
  others = said()
  unowned.lost()
  await looks(30)
  expect(asked).toBeGreaterThan(2)
  expect(freed).toEqual([])
})

it('UO2: it stays while a process of this node does not answer', async () => {
  referred = undefined
  unowned.lost()
  await looks(30)
  expect(freed).toEqual([])
})

it('UO3: nobody asks where no node was lost, nor for what a process owns that is connected', async () => {
  await looks(30)
  clients.set(OWNER, {})
  unowned.lost()
  await looks(30)
  expect(asked).toBe(0)
})

it('UO3: the death of a node, or its return in another life, may be it', async () => {
  const row = { nodeId: 'a1', epoch: 1, state: 'ALIVE' }
  unowned.nodes([row] as never)
  await looks(3)
  expect(asked).toBe(0)
  unowned.nodes([{ ...row, epoch: 2 }] as never)
  await looks(3)
  expect(freed).toEqual([ID])
})
