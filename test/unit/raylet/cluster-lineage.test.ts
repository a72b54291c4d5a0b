// Who adopts a dead owner, as the raylets of several nodes decide it; where its specs are found.
import { expect, test } from 'vitest'
import { GcsUnavailableError, NodeDiedError } from '../../../runtime/common/errors.ts'
import { fromHex, type NodeId, type ObjectId, type WorkerId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { registerNode } from '../../../runtime/gcs/nodes.ts'
import { readAdoption } from '../../../runtime/gcs/owners.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { locationKey } from '../../../runtime/gcs/tables.ts'
import { ClusterLineage } from '../../../runtime/raylet/cluster/cluster-lineage.ts'
import { SilentWaits } from '../../../runtime/raylet/cluster/silent-waits.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught } from '../../support/waiting.ts'

const OWNER = 'f0'.repeat(14)
const WANTED = { objectId: fromHex('f1') as ObjectId, owner: OWNER }
const addressOf = (nodeId: string, name: string): string =>
  `127.0.0.1:1/${nodeId}/1@/tmp/${name}.sock`

/** Nodes `a1`, `a2`, `a3` with a client each; who is silent answers nobody. */
function made() {
  const clock = new HandClock()
  const memory = new MemoryStorage()
  const gcs = { isAway: false, reads: 0 }
  const storage = changedStorage(memory, {
    get: (key) => {
      gcs.reads += 1
      return gcs.isAway ? Promise.reject(new GcsUnavailableError('it is away')) : memory.get(key)
    },
  })
  /** Nodes are asked who holds an object: how often, and what each says. */
  const holds = { asked: 0, answers: [] as object[] }
  const said: string[] = []
  const log = { ...silentLog, info: (what: string) => said.push(what) }
  const places = { find: async () => void (await storage.get(locationKey('f1', true))) }
  const objects = { store: { sizeOf: () => undefined } }
  const dead = new Set<string>()
  const silent = new Set<string>()
  /** By all, themselves included: they have just joined. */
  const unseen = new Set<string>()
  const nodes = new Map<string, ReturnType<typeof node>>()
  function node(nodeId: string) {
    const client = fromHex(nodeId.repeat(14)) as WorkerId
    const address = addressOf(nodeId, 'client')
    const clients = new Map([[client, { address, link: undefined }]])
    const state = { config: { nodeId: fromHex(nodeId) as NodeId, epoch: 1 }, clients }
    const member = {
      nodes: () => [...nodes.keys()].flatMap((id) => (unseen.has(id) ? [] : [rowOf(id, dead)])),
      ask: (id: string, type: string, message: object) =>
        silent.has(id)
          ? Promise.reject(new NodeDiedError('silent'))
          : Promise.resolve(nodes.get(id)?.lineage.requested({ type, message } as never)),
    }
    const holdersOf = (): Promise<object> => {
      holds.asked += 1
      return Promise.resolve({ holders: holds.answers })
    }
    const silentWaits = new SilentWaits(clock)
    const lineage = new ClusterLineage({
      silent: silentWaits,
      ...{ storage, clock, log: { ...log, warn: log.info }, member, holdersOf, objects, places },
      state: { ...state, workers: new Map() },
    } as never)
    const adopt = (from: string): Promise<{ address: string }> =>
      lineage.asked(client, 'adoptOwner', { ...WANTED, address: from }) as never
    const find = (): Promise<unknown> =>
      lineage.asked(client, 'findObject', { objectId: WANTED.objectId })
    const why = (): unknown[] => silentWaits.rows().map((row) => [row['name'], row['why']])
    return { lineage, clients, client, address, adopt, find, why }
  }
  for (const nodeId of ['a1', 'a2', 'a3']) nodes.set(nodeId, node(nodeId))
  const at = (nodeId: string): ReturnType<typeof node> => nodes.get(nodeId) as never
  return { clock, storage, gcs, holds, said, dead, silent, unseen, at }
}

const rowOf = (nodeId: string, dead: ReadonlySet<string>): object => {
  return { nodeId, epoch: 1, state: dead.has(nodeId) ? 'DEAD' : 'ALIVE' }
}

test('AL2: of many who want to adopt one wins, and the others are sent to it', async () => {
  const { storage, at } = made()
  const gone = addressOf('a1', 'gone')
  const answers = await Promise.all(['a1', 'a2', 'a3'].map((id) => at(id).adopt(gone)))
  const row = await readAdoption(storage, OWNER)
  expect(answers.map(({ address }) => address)).toEqual(Array(3).fill(row?.address))
  expect(row?.epoch).toBe(1)
})

test('AL2: an adopter that is gone is followed by another, with the next epoch', async () => {
  const { storage, at } = made()
  const gone = addressOf('a3', 'gone')
  await at('a1').adopt(gone)
  expect(await at('a2').adopt(gone)).toMatchObject({ address: at('a1').address })
  at('a1').clients.clear()
  expect(await at('a2').adopt(gone)).toMatchObject({ address: at('a2').address })
  expect(await readAdoption(storage, OWNER)).toMatchObject({ epoch: 2 })
})

test('AL1: an owner that lives is not adopted, nor one of a silent node before that is dead', async () => {
  const { clock, storage, dead, silent, at } = made()
  const { address } = at('a2')
  const living = at('a1').adopt(address)
  await clock.advance(3_000)
  expect(await living).toEqual({ address }) // it is asked again
  silent.add('a3')
  const adopting = at('a1').adopt(addressOf('a3', 'gone'))
  await clock.advance(600_000)
  expect(await readAdoption(storage, OWNER)).toBe(undefined)
  const silence = 'node a3, silent for 600 s, not known to be dead'
  expect(at('a1').why()).toEqual([['f1', `a get of it waits for its owner on ${silence}`]])
  dead.add('a3')
  await clock.advance(4_000)
  expect(await adopting).toMatchObject({ address: at('a1').address })
  expect(at('a1').why()).toEqual([])
})

test('AL1: all who wait for a silent owner look together, until none of them is left', async () => {
  const { clock, said, silent, at } = made()
  silent.add('a3')
  const other = fromHex('b1'.repeat(14)) as WorkerId
  const { clients, lineage, adopt } = at('a1')
  clients.set(other, { address: addressOf('a1', 'other'), link: undefined })
  const gone = addressOf('a3', 'gone')
  const question = { ...WANTED, address: gone }
  const asking = [...Array.from({ length: 50 }, () => adopt(gone)), adopt(gone)]
  asking.push(lineage.asked(other, 'adoptOwner', question) as Promise<{ address: string }>)
  const failing = asking.map((each) => caught(each, NodeDiedError))
  await clock.advance(60_000)
  expect(said.length).toBeLessThan(20)
  clients.delete(other)
  const before = said.length
  await clock.advance(60_000)
  expect(said.length).toBeGreaterThan(before)
  clients.clear()
  await clock.advance(4_000)
  await Promise.all(failing)
  expect(clock.pendingCount).toBe(0)
})

test('AL1: an adopter on a node that is not seen yet is not followed while it lives', async () => {
  const { storage, clock, unseen, at } = made()
  const spec = { nodeId: 'a1', address: '127.0.0.1:1', pid: 1, totals: {}, labels: {} }
  const opened = { clusterEpoch: 'c', version: 0, token: 't' }
  await registerNode({ storage, clock, random: seededRandom(1) }, spec, opened)
  unseen.add('a1')
  const gone = addressOf('a1', 'gone')
  await at('a1').adopt(gone)
  expect(await at('a2').adopt(gone)).toMatchObject({ address: at('a1').address })
  const other = fromHex('b1'.repeat(14)) as WorkerId
  at('a1').clients.set(other, { address: addressOf('a1', 'other'), link: undefined })
  const here = at('a1').lineage.asked(other, 'adoptOwner', { ...WANTED, address: gone })
  expect(await here).toMatchObject({ address: at('a1').address })
  expect(await readAdoption(storage, OWNER)).toMatchObject({ epoch: 1 })
})

test('AL4: an outage of the GCS delays an adoption, and loses nothing', async () => {
  const { clock, gcs, at } = made()
  gcs.isAway = true
  const adopting = at('a1').adopt(addressOf('a3', 'gone'))
  await clock.advance(120_000)
  expect(at('a1').why()).toEqual([['f1', 'a get of it waits for the GCS, silent for 120 s']])
  gcs.isAway = false
  await clock.advance(1_000)
  expect(at('a1').why()).toEqual([])
  expect(await adopting).toMatchObject({ address: at('a1').address })
})

test('AL4: in an outage the GCS is asked again, and the nodes once more when it is back', async () => {
  const { clock, gcs, holds, said, at } = made()
  gcs.isAway = true
  const finding = at('a1').find()
  await clock.advance(10_000)
  expect(holds.asked).toBe(1)
  expect(said).toHaveLength(1)
  gcs.isAway = false
  holds.answers = [{ sizeBytes: 7 }] // that node was silent before
  await clock.advance(1_000)
  expect(await finding).toEqual({ sizeBytes: 7 })
  expect(holds.asked).toBe(2)
  holds.answers = []
  expect(await at('a1').find()).toBe(undefined)
  expect(holds.asked).toBe(3)
})

test('AL4: nothing is asked for who has left meanwhile', async () => {
  const { clock, gcs, at } = made()
  gcs.isAway = true
  const finding = caught(at('a1').find(), GcsUnavailableError)
  await clock.advance(2_000)
  at('a1').clients.clear()
  await clock.advance(1_000)
  await finding
  const { reads } = gcs
  await clock.advance(10_000)
  expect(gcs.reads).toBe(reads)
})

test('a spec is found by its segment, by its raylet, and when that is gone by looking', async () => {
  const { clock, silent, at } = made()
  const { lineage, client } = at('a1')
  const specs = Uint8Array.of(1, 2, 3, 4, 5)
  const batch = { sequences: [4, 7], sizes: [2, 3], specs, urgent: true }
  const committing = lineage.asked(client, 'commitSpecs', batch)
  await clock.advance(1_000)
  expect(await committing).toEqual({ segments: [0, 0] })
  const place = { nodeId: 'a1', epoch: 1, owner: 'a1'.repeat(14), sequence: 7 }
  const read = async (by: string, where: object): Promise<number[]> =>
    Array.from((await at(by).lineage.asked(client, 'readSpec', where)) as Uint8Array)
  expect(await read('a2', { ...place, segment: 0 })).toEqual([3, 4, 5])
  expect(await read('a2', place)).toEqual([3, 4, 5])
  silent.add('a1')
  expect(await read('a3', { ...place, sequence: 4 })).toEqual([1, 2])
  expect(await at('a3').lineage.asked(client, 'readSpec', { ...place, sequence: 5 })).toBe(
    undefined,
  )
})
