// Membership as nodes live it: on one storage, a clock moved by hand, and links that are cut.
import { afterEach, describe, expect, test } from 'vitest'
import { GcsUnavailableError, NodeDiedError } from '../../../runtime/common/errors.ts'
import {
  packChanges,
  unpackChanges,
  type NodeState,
} from '../../../runtime/gcs/membership-changes.ts'
import { HEARTBEAT_MS, LEASE_MARGIN_MS, LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import {
  announce,
  declareDead,
  openMembership,
  readMembership,
  readNode,
  registerNode,
  sendCommand,
  writeHeartbeat,
} from '../../../runtime/gcs/nodes.ts'
import { copyValue, valueBytes } from '../../../runtime/gcs/row-value.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Row, RowKey, RowValue, Storage } from '../../../runtime/gcs/storage.ts'
import { membershipKey, nodeKey } from '../../../runtime/gcs/tables.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { scaled } from '../../support/scale.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { TestMembers } from '../../support/members.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught } from '../../support/waiting.ts'

let members = new TestMembers()
afterEach(() => {
  members.stopAll()
  members = new TestMembers()
})

/** Whether a membership row names such a change. */
const tells = ({ changes }: RowValue, state: NodeState): boolean =>
  unpackChanges(changes as Uint8Array, 0).some((change) => change.state === state)

const stateOf = async (id: string): Promise<NodeState | undefined> =>
  (await readNode(members.storage, id))?.state
const deaths = async (): Promise<string[]> => {
  const ids = [...members.nodes.keys()]
  const states = await Promise.all(ids.map((id) => stateOf(id)))
  return ids.filter((_, index) => states[index] === 'DEAD')
}
const seenBy = (id: string): string[] =>
  (members.nodes.get(id)?.living ?? []).map(({ nodeId }) => nodeId).toSorted()

/** Members whose stale reads of a row answer what `stale` makes of it. */
function staleMembers(stale: (row: Row | undefined, key: RowKey) => Row | undefined): TestMembers {
  const memory = new MemoryStorage()
  const get: Storage['get'] = async (key, options) => {
    const row = await memory.get(key)
    return options?.stale === true ? stale(row, key) : row
  }
  return (members = new TestMembers(changedStorage(memory, { get })))
}

test('CM4: who has stopped writes no more of what it was about to tell', async () => {
  const memory = new MemoryStorage()
  let tried = 0
  let isLost = false
  const putIf: Storage['putIf'] = async (key, value, expected) => {
    if (!isLost) return memory.putIf(key, value, expected)
    tried += 1
    return { won: false, current: await memory.get(key) }
  }
  members = new TestMembers(changedStorage(memory, { putIf }))
  const [node] = await members.addMany(1)
  isLost = true // others change the membership row all the time
  node?.membership.drain()
  await members.clock.advance(1_000)
  expect(tried).toBeGreaterThan(0)
  node?.membership.stop()
  await members.clock.advance(0)
  const before = tried
  await members.clock.advance(120_000)
  expect(tried).toBe(before)
})

describe('members', () => {
  test('see each other, and hold a lease that their heartbeats renew', async () => {
    const nodes = await members.addMany(5)
    const ids = nodes.map(({ id }) => id)
    for (const { id } of nodes) expect(seenBy(id)).toEqual(ids)
    await members.clock.advance(120_000)
    expect(nodes.every(({ membership }) => membership.mayLease)).toBe(true)
    expect(await deaths()).toEqual([])
  })

  test('MB1: the row that a node registers with is its first heartbeat: it leases at once', async () => {
    const { membership } = await members.add('0000')
    expect(membership.mayLease).toBe(true)
    const beats = async () => (await readNode(members.storage, '0000'))?.heartbeat
    expect(await beats()).toBe(0)
    await members.clock.advance(HEARTBEAT_MS * 1.125)
    expect(await beats()).toBe(1)
  })

  test('one that falls silent is dead within a lease and a few seconds; all see it', async () => {
    const [first] = await members.addMany(5)
    members.kill('0003')
    await members.clock.advance(LEASE_MS - 1000)
    expect(await stateOf('0003')).toBe('ALIVE')
    await members.clock.advance(12_000)
    expect(await stateOf('0003')).toBe('DEAD')
    await members.clock.advance(2 * HEARTBEAT_MS)
    expect(seenBy(first?.id ?? '')).toEqual(['0000', '0001', '0002', '0004'])
  })

  test('is suspected by its watchers long before, so that nothing new is leased there', async () => {
    const nodes = await members.addMany(5)
    members.kill('0003')
    await members.clock.advance(5000)
    const suspecting = nodes.filter(({ suspected }) => suspected.has('0003'))
    expect(suspecting).toHaveLength(3)
  })

  test('two nodes suffice: the other one alone declares the death', async () => {
    await members.addMany(2)
    members.kill('0001')
    await members.clock.advance(LEASE_MS + 12_000)
    expect(await stateOf('0001')).toBe('DEAD')
  })

  test('F13: a blackout of five seconds every minute kills nobody', async () => {
    await members.addMany(4)
    for (let minute = 0; minute < 5; minute++) {
      for (const a of [...members.nodes.keys(), 'gcs']) {
        for (const b of [...members.nodes.keys(), 'gcs']) members.cut.add(`${a}>${b}`)
      }
      await members.clock.advance(5000)
      members.cut.clear()
      await members.clock.advance(55_000)
    }
    expect(await deaths()).toEqual([])
    expect([...members.nodes.values()].every(({ membership }) => membership.mayLease)).toBe(true)
  })

  test('F14: cut off from the GCS, a node runs on but leases nothing; nobody declares it dead', async () => {
    const [node] = await members.addMany(4)
    members.cut.add('0000>gcs')
    await members.clock.advance(LEASE_MS - LEASE_MARGIN_MS + 1)
    expect(node?.membership.mayLease).toBe(false)
    await members.clock.advance(300_000)
    expect(await deaths()).toEqual([])
    members.cut.clear()
    await members.clock.advance(2 * HEARTBEAT_MS)
    expect(node?.membership.mayLease).toBe(true)
  })

  test('F15: nodes that cannot reach each other but the GCS are all alive', async () => {
    const nodes = await members.addMany(4)
    for (const a of nodes) for (const b of nodes) members.cut.add(`${a.id}>${b.id}`)
    await members.clock.advance(120_000)
    expect(nodes.every(({ suspected }) => suspected.size === 3)).toBe(true)
    expect(await deaths()).toEqual([])
    members.cut.clear()
    await members.clock.advance(3000)
    expect(nodes.every(({ suspected }) => suspected.size === 0)).toBe(true)
  })

  test('F16: a link that loses one direction only makes nobody dead', async () => {
    await members.addMany(4)
    members.cut.add('0000>0001')
    await members.clock.advance(120_000)
    expect(await deaths()).toEqual([])
  })

  test('F27: a node paused past its lease is declared dead and expelled when it wakes', async () => {
    const [node] = await members.addMany(4)
    // Paused: what it would send does not leave, and it answers nobody.
    for (const peer of ['0001', '0002', '0003', 'gcs']) {
      members.cut.add(`0000>${peer}`)
      members.cut.add(`${peer}>0000`)
    }
    await members.clock.advance(35_000)
    expect(await deaths()).toEqual(['0000'])
    members.cut.clear()
    await members.clock.advance(2 * HEARTBEAT_MS)
    expect(node?.expelled).toBeInstanceOf(NodeDiedError)
    expect(node?.expelled?.message).toContain('saw its lease expire')
    expect(node?.membership.mayLease).toBe(false)
  })

  test('F33: an outage of the GCS of three hours kills nobody, before or after', async () => {
    const nodes = await members.addMany(3)
    for (const { id } of nodes) members.cut.add(`${id}>gcs`)
    // Meanwhile all are silent to each other, as in an outage of a whole zone.
    for (const a of nodes) for (const b of nodes) members.cut.add(`${a.id}>${b.id}`)
    await members.clock.advance(scaled(3 * 3_600_000))
    expect(nodes.every(({ expelled }) => expelled === undefined)).toBe(true)
    members.cut.clear()
    await members.clock.advance(60_000)
    expect(await deaths()).toEqual([])
    expect(nodes.every(({ membership }) => membership.mayLease)).toBe(true)
  })

  test('F17: links that are cut one by one and heal in another order leave one view to all', async () => {
    const nodes = await members.addMany(6)
    members.repeats = true
    const random = seededRandom(17)
    const links = nodes.flatMap(({ id: from }) =>
      [...members.nodes.keys(), 'gcs'].filter((to) => to !== from).map((to) => `${from}>${to}`),
    )
    for (let round = 0; round < 10; round++) {
      const clogged = links.filter(() => random.next() < 0.7)
      for (const link of clogged) {
        members.cut.add(link)
        await members.clock.advance(random.next() * 3000)
      }
      const healing = clogged.map((link) => ({ link, at: random.next() }))
      for (const { link } of healing.toSorted((a, b) => a.at - b.at)) {
        members.cut.delete(link)
        await members.clock.advance(random.next() * 3000)
      }
      await members.clock.advance(LEASE_MS + 30_000)
      const dead = await deaths()
      const living = nodes.filter(({ id }) => !dead.includes(id))
      expect(nodes.filter(({ expelled }) => expelled !== undefined).map(({ id }) => id)).toEqual(
        dead,
      )
      for (const { id, membership } of living) {
        expect(membership.mayLease, id).toBe(true)
        expect(seenBy(id), id).toEqual(living.map((each) => each.id))
      }
    }
    expect(await deaths()).not.toEqual([]) // some were cut off for longer than a lease
  })

  test('F24: links and a GCS that take 200 ms each way make nobody dead or suspected', async () => {
    const nodes = await members.addMany(4)
    members.latencyMs = 200
    await members.clock.advance(120_000)
    expect(await deaths()).toEqual([])
    for (const { membership, suspected } of nodes) {
      expect(membership.mayLease).toBe(true)
      expect(suspected.size).toBe(0)
    }
  })

  test.each([-30_000, 600_000])(
    'F26: a wall clock that jumps by %i ms is no reason',
    async (ms) => {
      const nodes = await members.addMany(4)
      const { clock } = members
      const before = clock.nowMs.bind(clock)
      clock.nowMs = () => before() + ms
      await clock.advance(60_000)
      expect(await deaths()).toEqual([])
      expect(nodes.every(({ membership }) => membership.mayLease)).toBe(true)
    },
  )

  const cutOff = (id: string): void => {
    for (const peer of members.nodes.keys()) {
      members.cut.add(`${id}>${peer}`)
      members.cut.add(`${peer}>${id}`)
    }
  }

  test.each([3500, 4500, 5000, 8000])(
    'F33: an outage that calls are repeated through kills nobody, %i ms after a cut',
    async (leadMs) => {
      for (let outageMs = 13_500; outageMs <= 21_500; outageMs += 1000) {
        members.stopAll()
        members = new TestMembers()
        await members.addMany(4)
        members.repeats = true
        cutOff('0000') // its watchers can say so to each other
        await members.clock.advance(leadMs)
        for (const id of members.nodes.keys()) members.cut.add(`${id}>gcs`)
        await members.clock.advance(outageMs)
        for (const id of members.nodes.keys()) members.cut.delete(`${id}>gcs`)
        await members.clock.advance(30_000)
        expect(await deaths(), `${String(outageMs)} ms`).toEqual([])
      }
    },
  )

  test('F33: when only the GCS comes back, heartbeats come before anybody can be declared dead', async () => {
    const nodes = await members.addMany(4)
    for (const a of nodes) for (const b of nodes) members.cut.add(`${a.id}>${b.id}`)
    for (const { id } of nodes) members.cut.add(`${id}>gcs`)
    await members.clock.advance(600_000)
    for (const { id } of nodes) members.cut.delete(`${id}>gcs`)
    await members.clock.advance(120_000)
    expect(await deaths()).toEqual([])
  })

  test('F37: tables emptied or restored under them: every node ends, loudly', async () => {
    const nodes = await members.addMany(3)
    const rows = [membershipKey, ...nodes.map(({ id }) => nodeKey(id))]
    for (const key of rows) {
      const row = await members.storage.get(key)
      if (row !== undefined) await members.storage.delete(key, row.version)
    }
    await members.clock.advance(2 * HEARTBEAT_MS)
    for (const { expelled } of nodes)
      expect(expelled?.message).toMatch(/not a member of cluster epoch/)
  })

  test('F37: rows restored from a backup belong to another cluster epoch', async () => {
    const [node] = await members.addMany(2)
    await members.storage.append([
      {
        key: membershipKey,
        value: { clusterEpoch: 'restored', version: 0, changes: packChanges([]) },
      },
    ])
    await members.clock.advance(2 * HEARTBEAT_MS)
    expect(node?.expelled?.message).toContain('cluster epoch cluster-of-0000')
  })

  test('F37: a stale read of the membership ends nobody', async () => {
    const [node] = await staleMembers(() => undefined).addMany(3)
    await members.clock.advance(5 * HEARTBEAT_MS)
    expect(node?.expelled).toBeUndefined()
    expect(seenBy('0000')).toEqual(['0000', '0001', '0002'])
  })

  test('a death is seen by all, however stale the reads that allow it', async () => {
    const first = new Map<string, Row | undefined>()
    const frozen = staleMembers((row, key) => {
      if (key.sk === membershipKey.sk) return row
      if (!first.has(key.sk)) first.set(key.sk, row)
      return first.get(key.sk)
    })
    await frozen.addMany(6)
    members.kill('0003')
    await members.clock.advance(LEASE_MS + 12_000 + 2 * HEARTBEAT_MS)
    for (const id of ['0000', '0001', '0002', '0004', '0005']) {
      expect(seenBy(id), id).not.toContain('0003')
    }
  })

  test('F33: an outage after the membership was read hides nobody', async () => {
    let away = false
    const memory: Storage = new MemoryStorage()
    const answer = async <T>(pk: string, run: () => Promise<T>): Promise<T> => {
      if (away && pk.startsWith('N#')) throw new GcsUnavailableError('away')
      return await run()
    }
    members = new TestMembers(
      changedStorage(memory, {
        get: (key, options) => answer(key.pk, () => memory.get(key, options)),
        query: (table, pk, options) => answer(pk, () => memory.query(table, pk, options)),
      }),
    )
    await members.addMany(2)
    await members.add('0002')
    away = true
    await members.clock.advance(2 * HEARTBEAT_MS)
    expect(seenBy('0000')).not.toContain('0002')
    away = false
    await members.clock.advance(2 * HEARTBEAT_MS)
    for (const id of ['0000', '0001', '0002']) expect(seenBy(id), id).toContain('0002')
  })

  test('F33: a death that could not be announced is announced by who reads it next, in the end', async () => {
    const REFUSALS = 10 // by whoever has read it
    const memory = new MemoryStorage()
    let refused = 0
    members = new TestMembers(
      changedStorage(memory, {
        putIf: async (key, value, expected) => {
          const isDeath = key.sk === membershipKey.sk && tells(value, 'DEAD')
          if (isDeath && refused++ < REFUSALS) throw new GcsUnavailableError('away')
          return await memory.putIf(key, value, expected)
        },
      }),
    )
    await members.addMany(6)
    members.kill('0003')
    await members.clock.advance(LEASE_MS + 40_000 + 2 * HEARTBEAT_MS)
    expect(refused).toBeGreaterThan(REFUSALS)
    for (const id of ['0000', '0001', '0002', '0004', '0005']) {
      expect(seenBy(id), id).not.toContain('0003')
    }
  })

  test('F33: a death that nobody came to announce is announced by who joins and reads it', async () => {
    const storage = new MemoryStorage()
    members = new TestMembers(storage)
    await members.addMany(3)
    await members.clock.advance(2 * HEARTBEAT_MS)
    members.kill('0002')
    const { epoch, heartbeat } = (await readNode(storage, '0002')) ?? { epoch: 0, heartbeat: 0 }
    const left = { ...members.race, isOver: () => true }
    const death = { nodeId: '0002', epoch, heartbeat, reason: 'of this test' }
    await expect(declareDead(left, death)).rejects.toThrow('left to others')
    const told = async (): Promise<boolean> =>
      (await readMembership(storage, { stale: false }))?.changes.some(
        ({ nodeId, state }) => nodeId === '0002' && state === 'DEAD',
      ) === true
    expect(await told()).toBe(false)
    await members.add('0003')
    await members.clock.advance(1) // nobody has missed it yet
    expect(await told()).toBe(true)
  })

  test('MB3: a drain is announced when the row of the node says so, through an outage', async () => {
    const memory = new MemoryStorage()
    const told: string[] = []
    let refused = 0
    members = new TestMembers(
      changedStorage(memory, {
        putIf: async (key, value, expected) => {
          if (key.sk !== membershipKey.sk || !tells(value, 'DRAINING')) {
            return await memory.putIf(key, value, expected)
          }
          if (refused++ === 0) throw new GcsUnavailableError('away')
          told.push((await readNode(memory, '0000'))?.state ?? '')
          return await memory.putIf(key, value, expected)
        },
      }),
    )
    const [node] = await members.addMany(2)
    node?.membership.performed({ sequence: 1, kind: 'drain' })
    await members.clock.advance(3 * HEARTBEAT_MS)
    expect(told).toEqual(['DRAINING'])
    const seen = members.nodes.get('0001')?.living.find(({ nodeId }) => nodeId === '0000')
    expect(seen?.state).toBe('DRAINING')
  })

  test('one that is stopped while it starts does nothing more', async () => {
    const [node] = await members.addMany(1)
    const starting = node?.membership.start()
    node?.membership.stop()
    await starting
    const beats = async () => (await readNode(members.storage, '0000'))?.heartbeat
    const before = await beats()
    await members.clock.advance(5 * HEARTBEAT_MS)
    expect(await beats()).toBe(before)
  })

  test('commands ride in the reply of a heartbeat, until they are performed', async () => {
    const [node] = await members.addMany(2)
    expect(await sendCommand(members.race, '0000', 'drain')).toBe(true)
    await members.clock.advance(2 * HEARTBEAT_MS + 2000)
    expect(node?.commands.length).toBeGreaterThan(0)
    const [command] = node?.commands ?? []
    expect(command).toEqual({ sequence: 1, kind: 'drain' })
    if (command !== undefined) node?.membership.performed(command)
    await members.clock.advance(3 * HEARTBEAT_MS)
    const count = node?.commands.length
    await members.clock.advance(3 * HEARTBEAT_MS)
    expect(node?.commands.length).toBe(count)
    expect(await stateOf('0000')).toBe('DRAINING')
    expect(node?.membership.mayLease).toBe(false)
    const seen = members.nodes.get('0001')?.living.find(({ nodeId }) => nodeId === '0000')
    expect(seen?.state).toBe('DRAINING')
  })

  test('answers lost on every write do no harm', async () => {
    members.lostAnswers = Infinity
    const nodes = await members.addMany(4)
    await members.clock.advance(60_000)
    expect(await deaths()).toEqual([])
    members.kill('0003')
    await members.clock.advance(LEASE_MS + 12_000)
    expect(await deaths()).toEqual(['0003'])
    expect(nodes.every(({ expelled }) => expelled === undefined)).toBe(true)
  })
})

describe('rows of nodes', () => {
  const SPEC = { nodeId: 'aa', address: 'tcp://a', pid: 1, totals: { CPU: 1 }, labels: {} }
  const clock = new HandClock()
  const raceOn = (storage: Storage) => ({ storage, clock, random: seededRandom(1) })
  const register = (storage: MemoryStorage, token: string) =>
    registerNode(raceOn(storage), SPEC, { clusterEpoch: 'c', version: 0, token })
  const BEAT = { heartbeat: 1, doneCommand: 0, state: 'ALIVE' } as const

  test('who registers again does so under the next epoch, and the old self is refused', async () => {
    const storage = new MemoryStorage()
    const before = await register(storage, 'one')
    const after = await register(storage, 'two')
    expect([before.epoch, after.epoch]).toEqual([1, 2])
    const error = await caught(writeHeartbeat(storage, before, BEAT), NodeDiedError)
    expect(error.message).toContain('epoch 2 of it has registered')
    expect(await writeHeartbeat(storage, after, BEAT)).toEqual([])
  })

  test('of two twins that register at once, each has an epoch of its own', async () => {
    const storage = new MemoryStorage()
    const registering = Promise.all([register(storage, 'one'), register(storage, 'two')])
    await clock.advance(1000)
    const twins = await registering
    expect(new Set(twins.map(({ epoch }) => epoch))).toEqual(new Set([1, 2]))
  })

  test('a death is refused when the node has written another heartbeat', async () => {
    const storage = new MemoryStorage()
    const race = raceOn(storage)
    const member = await register(storage, 'one')
    await writeHeartbeat(storage, member, { ...BEAT, heartbeat: 2 })
    const death = { nodeId: 'aa', epoch: 1, heartbeat: 1, reason: 'silent' }
    expect(await declareDead(race, death)).toBe(false)
    expect(await declareDead(race, { ...death, heartbeat: 2 })).toBe(true)
    expect(await declareDead(race, { ...death, heartbeat: 2 })).toBe(true)
    await caught(writeHeartbeat(storage, member, BEAT), NodeDiedError)
    expect(await sendCommand(race, 'aa', 'stop')).toBe(false)
    const again = await register(storage, 'two')
    expect(again.epoch).toBe(2)
    expect(await declareDead(race, { ...death, heartbeat: 2 })).toBe(true)
    expect((await readNode(storage, 'aa'))?.state).toBe('ALIVE')
  })

  test('the membership row stays small however many come and go', async () => {
    const storage = new MemoryStorage()
    await openMembership(storage, 'c')
    for (let index = 0; index < 300; index++) {
      const nodeId = `${'ab'.repeat(12)}${index.toString(16).padStart(4, '0')}`
      const naming = { clusterEpoch: 'c', version: 0, token: nodeId }
      const member = await registerNode(raceOn(storage), { ...SPEC, nodeId }, naming)
      await announce(raceOn(storage), [{ nodeId, epoch: member.epoch, state: 'ALIVE' }])
    }
    const membership = await readMembership(storage, { stale: false })
    expect(membership?.version).toBe(300)
    expect(valueBytes(copyValue((await storage.get(membershipKey))?.value ?? {}))).toBeLessThan(
      4000,
    )
  })
})
