// What a dead node had in the GCS goes with it: what its processes had adopted, groups of the jobs
// that it drove, and the rows that say what it held. Its heirs do that.
import { beforeEach, expect, test } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { fromHex, type JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { readHeldBy, registerActor, willHold, type Holder } from '../../../runtime/gcs/actors.ts'
import { claimGroup, readGroup, registerGroup, type GroupRow } from '../../../runtime/gcs/groups.ts'
import { holdsJob } from '../../../runtime/gcs/held-rows.ts'
import { readAdoption } from '../../../runtime/gcs/owners.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { heldPartition } from '../../../runtime/gcs/tables.ts'
import { AdoptionRows } from '../../../runtime/raylet/cluster/adoption-rows.ts'
import { clearRowsOf } from '../../../runtime/raylet/cluster/dead-rows.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { HandClock } from '../../support/hand-clock.ts'

const GONE: Holder = { nodeId: 'a0', epoch: 1 }
const OTHER: Holder = { nodeId: 'a1', epoch: 1 }
const JOB = '0000beef'
const ACTOR = `${'ab'.repeat(8)}${JOB}`

let storage: MemoryStorage
let clock: HandClock
let inherited: JobId[]
beforeEach(() => {
  storage = new MemoryStorage()
  clock = new HandClock()
  inherited = []
})

const clear = (): Promise<void> =>
  clearRowsOf(
    {
      ...{ storage, clock },
      jobs: { inherit: (jobId) => Promise.resolve(void inherited.push(jobId)) },
    },
    GONE,
  )
const heldBy = async (holder: Holder): Promise<readonly string[]> =>
  (await storage.query('cluster', heldPartition(holder))).map(({ key }) => key.sk)

const aGroup = (groupId: string, more: Partial<GroupRow>): GroupRow => ({
  ...{ groupId: `${groupId.repeat(8)}${JOB}`, jobId: JOB, name: groupId, detached: false },
  ...{ strategy: 'PACK', bundles: [], state: 'CREATED', ...GONE, term: 0, attempt: 1, places: [] },
  ...more,
})

test('DW1: a job goes to the heir with its row, and its groups are removed, but for detached ones', async () => {
  const [plain, detached, taken] = [
    aGroup('a', {}),
    aGroup('b', { detached: true }),
    aGroup('c', {}),
  ]
  for (const group of [plain, detached, taken]) await registerGroup(storage, group)
  await claimGroup(storage, taken, OTHER)
  await holdsJob(storage, GONE, JOB)
  await clear()
  expect(await readGroup(storage, plain.groupId)).toBeUndefined()
  expect(await readGroup(storage, detached.groupId)).toMatchObject({ state: 'CREATED' })
  expect(await readGroup(storage, taken.groupId)).toMatchObject(OTHER)
  expect(inherited).toEqual([fromHex(JOB)])
  expect(await heldBy(GONE)).toEqual([])
})

test('DW1: a row of an actor stays as long as that is held by the dead node', async () => {
  await willHold(storage, GONE, { actorId: ACTOR, incarnation: 0 })
  await registerActor(
    storage,
    {
      ...{ actorId: ACTOR, owner: 'aa', name: null, detached: true, maxRestarts: -1 },
      ...{ ...GONE, spec: new Uint8Array(1) },
    },
    0,
  )
  const gone = `${'cd'.repeat(8)}${JOB}`
  await willHold(storage, GONE, { actorId: gone, incarnation: 0 })
  await clear()
  expect(await heldBy(GONE)).toEqual([ACTOR])
  expect(await readHeldBy(storage, GONE)).toHaveLength(1)
})

const adoptions = (
  self: Holder,
  here: ReadonlySet<string>,
  rows: Storage = storage,
): AdoptionRows =>
  new AdoptionRows({
    ...{ storage: rows, clock, log: silentLog, self },
    isHere: (adopter) => here.has(adopter),
  })

test('AU1: what a process has adopted goes with it, and what is another’s stays', async () => {
  const here = new Set(['w1', 'w2'])
  const rows = adoptions(GONE, here)
  await rows.adopt('o1', { adopter: 'w1', address: 'x' }, undefined)
  await rows.adopt('o2', { adopter: 'w2', address: 'y' }, undefined)
  await rows.adopt('o2', { adopter: 'w1', address: 'x' }, undefined)
  await clock.advance(0)
  expect(await heldBy(GONE)).toEqual(['O#o1#w1', 'O#o2#w2'])
  here.delete('w1')
  rows.clientLeft('w1')
  await clock.advance(0)
  expect(await readAdoption(storage, 'o1')).toBeUndefined()
  expect(await readAdoption(storage, 'o2')).toMatchObject({ adopter: 'w2' })
  expect(await heldBy(GONE)).toEqual(['O#o2#w2'])
})

test('AU1: who leaves while it adopts has adopted nothing', async () => {
  await adoptions(GONE, new Set()).adopt('o1', { adopter: 'w1', address: 'x' }, undefined)
  await clock.advance(0)
  expect(await readAdoption(storage, 'o1')).toBeUndefined()
  expect(await heldBy(GONE)).toEqual([])
})

test('AU2: who lost, and adopts once the winner is gone too, keeps what it has then', async () => {
  let isAway = true
  const changed = changedStorage(storage, {
    delete: (...args) =>
      isAway ? Promise.reject(new GcsUnavailableError('away')) : storage.delete(...args),
  })
  const rows = adoptions(GONE, new Set(['w1']), changed)
  await adoptions(OTHER, new Set(['w2'])).adopt('o', { adopter: 'w2', address: 'y' }, undefined)
  const lost = await rows.adopt('o', { adopter: 'w1', address: 'x' }, undefined)
  expect(lost).toMatchObject({ adopter: 'w2' })
  const won = rows.adopt('o', { adopter: 'w1', address: 'x' }, lost)
  isAway = false
  await clock.advance(1_000)
  expect(await won).toMatchObject({ adopter: 'w1', epoch: 2 })
  await clock.advance(1_000)
  expect(await readAdoption(storage, 'o')).toMatchObject({ adopter: 'w1' })
  expect(await heldBy(GONE)).toEqual(['O#o#w1'])
})

test('AO3: of a dead node what it adopted goes, but for what another has adopted since', async () => {
  const rows = adoptions(GONE, new Set(['w1']))
  const first = await rows.adopt('o1', { adopter: 'w1', address: 'x' }, undefined)
  await rows.adopt('o2', { adopter: 'w1', address: 'x' }, undefined)
  const others = adoptions(OTHER, new Set(['w2']))
  await others.adopt('o1', { adopter: 'w2', address: 'y' }, first)
  await clear()
  expect(await readAdoption(storage, 'o1')).toMatchObject({ adopter: 'w2', epoch: 2 })
  expect(await readAdoption(storage, 'o2')).toBeUndefined()
  expect(await heldBy(GONE)).toEqual([])
  const again = await others.adopt('o2', { adopter: 'w2', address: 'y' }, undefined)
  expect(again).toMatchObject({ adopter: 'w2', epoch: 1 })
})
