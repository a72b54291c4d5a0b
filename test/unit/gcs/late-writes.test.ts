// Writes in doubt that are executed seconds after all was settled (DC3): nothing comes of them.
import { beforeEach, expect, test } from 'vitest'
import { GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import {
  actorDead,
  claimRestart,
  holdsNoMore,
  killUnmade,
  lookUpActor,
  readActor,
  readActors,
  readHeldBy,
  refuseActor,
  registerActor,
  willHold,
  type NewActor,
} from '../../../runtime/gcs/actors.ts'
import {
  readGroup,
  registerGroup,
  removeGroup,
  type GroupRow,
} from '../../../runtime/gcs/groups.ts'
import { findName } from '../../../runtime/gcs/names.ts'
import { judgeTransaction } from '../../../runtime/gcs/races-dynamodb.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { actorKey } from '../../../runtime/gcs/tables.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { caught } from '../../support/waiting.ts'

const NAME = { namespace: 'default', name: 'counter' }
const N1 = { nodeId: 'n1', epoch: 1 }
const anActor = (id: string): NewActor => ({
  ...{ actorId: id.repeat(24), owner: 'dd', name: NAME, detached: false, maxRestarts: 2 },
  ...{ spec: new Uint8Array(), ...N1 },
})

let memory: MemoryStorage
/** Whose next conditional write is in doubt, and executed when `executeLate` is called. */
let storage: Storage
let executeLate: () => Promise<unknown>
beforeEach(() => {
  memory = new MemoryStorage()
  let isFirst = true
  const late = <T>(run: () => Promise<T>): Promise<T> => {
    if (!isFirst) return run()
    isFirst = false
    executeLate = run
    return Promise.reject(new GcsWriteUnknownError('it is still under way'))
  }
  storage = changedStorage(memory, {
    putIf: (...args) => late(() => memory.putIf(...args)),
    delete: (...args) => late(() => memory.delete(...args)),
    transact: (...args) => late(() => memory.transact(...args)),
  })
})

test('AC4: an actor that was refused its name does not come to be when the name is free again', async () => {
  const [first, second] = [anActor('a'), anActor('b')]
  await registerActor(memory, first, 5)
  let isDoubted = false
  const inDoubt = (): void => {
    isDoubted = true
  }
  expect(await registerActor(storage, second, 6, inDoubt)).toMatchObject({ actorId: first.actorId })
  expect(isDoubted).toBe(true)
  await refuseActor(storage, second.actorId, 7)
  await refuseActor(storage, second.actorId, 7)
  await actorDead(storage, { ...first, incarnation: 0 }, 'killed', 8)
  await executeLate()
  expect(await readActor(storage, second.actorId)).toBeUndefined()
  expect(await findName(storage, NAME)).toBeUndefined()
  expect(await readActors(storage, second.actorId.slice(-8))).toEqual([])
  // Its task is run once more, and makes it.
  expect(await registerActor(storage, second, 9)).toBeUndefined()
  expect(await registerActor(storage, second, 9)).toBeUndefined()
  expect(await readActor(storage, second.actorId)).toMatchObject({ state: 'PENDING_CREATION' })
  await executeLate()
  expect(await findName(storage, NAME)).toMatchObject({ actorId: second.actorId, sinceMs: 9 })
})

test('AC4: one that came late before it is refused is dead, and has no name', async () => {
  const [first, second] = [anActor('a'), anActor('b')]
  await registerActor(memory, first, 5)
  await registerActor(storage, second, 6)
  await actorDead(storage, { ...first, incarnation: 0 }, 'killed', 8)
  await executeLate()
  await refuseActor(storage, second.actorId, 7)
  expect(await readActor(storage, second.actorId)).toMatchObject({ state: 'DEAD' })
  expect(await findName(storage, NAME)).toBeUndefined()
})

test.each([
  ['the kill', () => killUnmade(storage, anActor('a').actorId, 4)],
  ['what makes it', () => registerActor(storage, anActor('a'), 4)],
])('AC5: of a kill and what makes the actor one wins, when %s is in doubt', async (_, inDoubt) => {
  const actor = anActor('a')
  const isKilled = (await inDoubt()) === true
  expect(await registerActor(memory, actor, 5)).toBe(isKilled ? 'KILLED' : undefined)
  expect(await killUnmade(memory, actor.actorId, 6)).toBe(isKilled)
  await executeLate()
  const row = await lookUpActor(storage, actor.actorId)
  if (isKilled) expect(row).toBe('KILLED')
  else expect(row).toMatchObject({ state: 'PENDING_CREATION' })
})

test('AC3: a node that gave an actor away and holds its next life goes on being found', async () => {
  const actor = anActor('a')
  await willHold(storage, N1, { ...actor, incarnation: 0 })
  await registerActor(memory, actor, 5)
  await caught(holdsNoMore(storage, N1, { ...actor, incarnation: 0 }), GcsWriteUnknownError)
  await willHold(storage, N1, { ...actor, incarnation: 1 })
  await claimRestart(storage, { ...actor, incarnation: 0 }, N1)
  await executeLate()
  expect(await readHeldBy(storage, N1)).toMatchObject([{ actorId: actor.actorId, incarnation: 1 }])
  await holdsNoMore(storage, N1, { ...actor, incarnation: 1 })
  expect(await readHeldBy(storage, N1)).toEqual([])
})

test('GP2: a group that was removed is not made again', async () => {
  const group: GroupRow = {
    ...{ groupId: 'a'.repeat(24), jobId: '00000000', name: 'g', detached: true, ...N1 },
    ...{ strategy: 'SPREAD', bundles: [{ CPU: 1 }], state: 'PENDING', term: 0, attempt: 0 },
    places: [null],
  }
  await registerGroup(storage, group)
  expect(await readGroup(storage, group.groupId)).toEqual(group)
  await removeGroup(storage, group, 5)
  await executeLate()
  expect(await readGroup(storage, group.groupId)).toBeUndefined()
})

test('a transaction that has lost is in doubt while an earlier attempt of it may come late', () => {
  const key = actorKey('a'.repeat(24))
  const items = [{ kind: 'putIf', key, value: {}, expected: 'ABSENT' }] as const
  const Item = { pk: { S: key.pk }, sk: { S: key.sk }, v: { N: '1' }, w: { S: 'another' } }
  const error = Object.assign(new Error('cancelled'), {
    CancellationReasons: [{ Code: 'ConditionalCheckFailed', Item }],
  })
  expect(judgeTransaction({ items, token: 'own', unsure: false }, error)).toBe(false)
  expect(() => judgeTransaction({ items, token: 'own', unsure: true }, error)).toThrow(
    GcsWriteUnknownError,
  )
})
