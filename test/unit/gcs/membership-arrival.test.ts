// How a node becomes a member: it writes its row, tells the others, looks at them, and writes
// heartbeats meanwhile, however long that takes.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { delay } from '../../../runtime/common/clock.ts'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { HEARTBEAT_MS, LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { readNode, registerNode } from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { membershipKey } from '../../../runtime/gcs/tables.ts'
import { RACE_MS_MAX } from '../../../runtime/gcs/until-won.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { TestMembers } from '../../support/members.ts'
import { caught } from '../../support/waiting.ts'

let members: TestMembers
beforeEach(() => {
  members = new TestMembers()
})
afterEach(() => {
  members.stopAll()
})

test('MB1: one whose row took long to be written writes a heartbeat at once', async () => {
  const memory = new MemoryStorage()
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    const outcome = await memory.putIf(key, value, expected)
    if (key.pk !== membershipKey.pk) await delay(members.clock, HEARTBEAT_MS)
    return outcome
  }
  members = new TestMembers(changedStorage(memory, { putIf }))
  const adding = members.add('0000')
  await members.clock.advance(HEARTBEAT_MS)
  expect((await adding).membership.mayLease).toBe(true)
  expect((await readNode(memory, '0000'))?.heartbeat).toBe(1)
})

test('MB1: one that is long in telling that it is there writes heartbeats meanwhile', async () => {
  const memory = new MemoryStorage()
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    const isArrival = key.pk === membershipKey.pk && expected !== 'ABSENT'
    if (isArrival) await delay(members.clock, 2 * LEASE_MS)
    return await memory.putIf(key, value, expected)
  }
  members = new TestMembers(changedStorage(memory, { putIf }))
  const adding = members.add('0000')
  await members.clock.advance(2 * LEASE_MS - 1)
  expect((await readNode(memory, '0000'))?.heartbeat).toBeGreaterThanOrEqual(6)
  await members.clock.advance(1)
  expect((await adding).membership.mayLease).toBe(true)
})

test('MB1: one that cannot tell that it is there fails to start, and writes no more', async () => {
  const memory = new MemoryStorage()
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    if (key.pk !== membershipKey.pk || expected === 'ABSENT') {
      return await memory.putIf(key, value, expected)
    }
    return { won: false, current: await memory.get(key) } // others are always first
  }
  members = new TestMembers(changedStorage(memory, { putIf }))
  const adding = caught(members.add('0000'), GcsUnavailableError)
  await members.clock.advance(RACE_MS_MAX)
  expect((await adding).message).toContain('node 0000 is announced as ALIVE')
  const beats = async () => (await readNode(memory, '0000'))?.heartbeat
  const before = await beats()
  await members.clock.advance(5 * HEARTBEAT_MS)
  expect(await beats()).toBe(before)
})

test('MB1: one that is long in reading who the others are writes heartbeats meanwhile', async () => {
  const memory = new MemoryStorage()
  const get: Storage['get'] = async (key, options) => {
    if (options?.stale === true) await delay(members.clock, LEASE_MS)
    return await memory.get(key)
  }
  members = new TestMembers(changedStorage(memory, { get }))
  const adding = members.add('0000')
  await members.clock.advance(LEASE_MS - 1)
  expect((await readNode(memory, '0000'))?.heartbeat).toBeGreaterThanOrEqual(3)
  await members.clock.advance(1)
  expect((await adding).membership.mayLease).toBe(true)
})

test('MB4: one that could not look has not arrived; once it has, it knows all who came before it', async () => {
  const memory = new MemoryStorage()
  let isAway = false
  let toldCount = 0
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    const outcome = await memory.putIf(key, value, expected)
    const isArrival = key.pk === membershipKey.pk && expected !== 'ABSENT'
    if (isArrival && outcome.won) toldCount += 1
    isAway = toldCount === 2
    return outcome
  }
  const get: Storage['get'] = async (key) => {
    if (isAway && key.pk === membershipKey.pk) throw new GcsUnavailableError('away')
    return await memory.get(key)
  }
  members = new TestMembers(changedStorage(memory, { putIf, get }))
  expect((await members.add('0000')).membership.hasArrived).toBe(true)
  const { membership } = await members.add('0001')
  expect(membership.hasArrived).toBe(false)
  toldCount = 3
  isAway = false
  await members.clock.advance(2 * HEARTBEAT_MS)
  expect(membership.hasArrived).toBe(true)
  expect(membership.nodes().map(({ nodeId }) => nodeId)).toContain('0000')
})

test('MB4: a look at the others before they were told of it counts for nothing', async () => {
  const memory = new MemoryStorage()
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    const isArrival = key.pk === membershipKey.pk && expected !== 'ABSENT'
    if (isArrival) await delay(members.clock, HEARTBEAT_MS)
    return await memory.putIf(key, value, expected)
  }
  members = new TestMembers(changedStorage(memory, { putIf }))
  const adding = members.add('0000')
  await members.clock.advance(1)
  const membership = members.nodes.get('0000')?.membership
  await membership?.look()
  expect(membership?.hasArrived).toBe(false)
  await members.clock.advance(HEARTBEAT_MS)
  await adding
  expect(membership?.hasArrived).toBe(true)
})

test('MB4: who arrives reads the membership as it stands, not as it was a moment ago', async () => {
  const memory = new MemoryStorage()
  let before = memory.get(membershipKey)
  const get: Storage['get'] = async (key, options) =>
    options?.stale === true && key.pk === membershipKey.pk ? await before : await memory.get(key)
  members = new TestMembers(changedStorage(memory, { get }))
  await members.add('0000')
  before = memory.get(membershipKey)
  const { membership } = await members.add('0001')
  expect(membership.hasArrived).toBe(true)
  expect(membership.seen().version).toBe(2)
})

test('F33: one that has registered anew and could not tell it is found dead all the same', async () => {
  await members.addMany(5)
  members.kill('0003')
  await members.clock.advance(1000)
  const spec = { nodeId: '0003', address: 'tcp://3', pid: 1, totals: {}, labels: {} }
  const naming = { clusterEpoch: 'cluster-of-0000', version: 0, token: 'anew' }
  expect((await registerNode(members.race, spec, naming)).epoch).toBe(2)
  await members.clock.advance(LEASE_MS + 30_000)
  expect(await readNode(members.storage, '0003')).toMatchObject({ epoch: 2, state: 'DEAD' })
})
