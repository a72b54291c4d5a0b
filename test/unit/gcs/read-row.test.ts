// A row that another version wrote, or that is damaged, is told by its name and never half read.
import { expect, test } from 'vitest'
import { readActor, readActors, registerActor } from '../../../runtime/gcs/actors.ts'
import { readDemand } from '../../../runtime/gcs/demand.ts'
import { readJob } from '../../../runtime/gcs/jobs.ts'
import { readSpec } from '../../../runtime/gcs/lineage.ts'
import { findName } from '../../../runtime/gcs/names.ts'
import {
  openMembership,
  readMembership,
  readNode,
  readNodes,
  writeHeartbeat,
} from '../../../runtime/gcs/nodes.ts'
import { findLocations } from '../../../runtime/gcs/object-locations.ts'
import { readAdoption } from '../../../runtime/gcs/owners.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { RowKey, RowValue, Storage } from '../../../runtime/gcs/storage.ts'
import {
  actorKey,
  demandKey,
  jobKey,
  locationKey,
  membershipKey,
  nameKey,
  nodeKey,
  ownerKey,
  segmentPartition,
} from '../../../runtime/gcs/tables.ts'

const JOB_ID = '00000007'
const ACTOR_ID = `a1${JOB_ID}`
const NAME = { namespace: 'default', name: 'counter' }
const PLACE = { nodeId: 'ab', epoch: 1, segment: 0 }
const SPEC = { owner: 'o', sequence: 0 }
const SEGMENT: RowKey = { table: 'lineage', pk: segmentPartition('ab', 1), sk: '000000000000' }
const fresh = { stale: false }

type Read = (storage: Storage) => Promise<unknown>
const READS: readonly [what: string, key: RowKey, read: Read][] = [
  ['actor', actorKey(ACTOR_ID), (storage) => readActor(storage, ACTOR_ID)],
  ["job's actors", actorKey(ACTOR_ID), (storage) => readActors(storage, JOB_ID)],
  ['name', nameKey('default', 'counter'), (storage) => findName(storage, NAME)],
  ['job', jobKey('j'), (storage) => readJob(storage, 'j')],
  ['node', nodeKey('ab'), (storage) => readNode(storage, 'ab')],
  ['list of nodes', nodeKey('ab'), readNodes],
  ['membership', membershipKey, (storage) => readMembership(storage, fresh)],
  ['opened membership', membershipKey, (storage) => openMembership(storage, 'e1')],
  ['demand', demandKey('ab'), (storage) => readDemand(storage, () => true)],
  ['location', locationKey('0f', true), (storage) => findLocations(storage, '0f')],
  ['adoption', ownerKey('0a'), (storage) => readAdoption(storage, '0a')],
  ['segment of lineage', SEGMENT, (storage) => readSpec(storage, PLACE, SPEC)],
]

async function holding(key: RowKey, value: RowValue): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  await storage.putIf(key, value, 'ABSENT')
  return storage
}

test.each(READS)('a malformed %s is refused by the name of its row', async (_, key, read) => {
  const storage = await holding(key, { from: 'another version' })
  await expect(read(storage)).rejects.toMatchObject({ code: 'ERR_DECODE', data: { ...key } })
})

test('the refusal names the field, what it holds, and what helps', async () => {
  const key = nameKey('default', 'counter')
  const storage = await holding(key, { actorId: 'a', owner: 9, sinceMs: 5 })
  await expect(findName(storage, NAME)).rejects.toThrow(
    "the row cluster/NAME#default/counter of the GCS is malformed: its field 'owner' cannot be 9. " +
      'Use the same version of virga on all nodes of the cluster.',
  )
})

test('fields that only a newer version knows are let pass', async () => {
  const row = { actorId: 'a', owner: 'o', sinceMs: 5, nodeId: 'n', epoch: 1, since: 'newer' }
  const storage = await holding(nameKey('default', 'counter'), row)
  expect(await findName(storage, NAME)).toMatchObject({ actorId: 'a' })
})

test('a name held by a malformed row is not given away', async () => {
  const storage = await holding(nameKey('default', 'counter'), {})
  const place = { nodeId: 'ab', epoch: 1, spec: new Uint8Array(1), maxRestarts: 0 }
  const actor = { actorId: ACTOR_ID, owner: '0a', name: NAME, detached: false, ...place }
  await expect(registerActor(storage, actor, 5)).rejects.toMatchObject({ code: 'ERR_DECODE' })
})

test('ND1: a member that another version follows is expelled, whatever that wrote', async () => {
  const storage = await holding(nodeKey('ab'), { epoch: 2, alive: true, from: 'another version' })
  const member = { nodeId: 'ab', epoch: 1, clusterEpoch: 'e1' }
  const beat = { heartbeat: 1, doneCommand: 0, state: 'ALIVE' } as const
  await expect(writeHeartbeat(storage, member, beat)).rejects.toThrow(/epoch 2 of it has/)
})
