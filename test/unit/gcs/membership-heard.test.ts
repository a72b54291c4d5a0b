// What a node answers to who starts a dead node's actors again (MN2, TD1): its raylet knows by then.
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  announce,
  declareDead,
  readNode,
  registerNode,
  type NodeDeath,
} from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { nodeKey } from '../../../runtime/gcs/tables.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { TestMembers, type TestNode } from '../../support/members.ts'

const DEATH: NodeDeath = { nodeId: '0001', epoch: 1, death: 'its lease expired' }
const NEWCOMER = { nodeId: 'ffff', address: 'tcp://f', pid: 1, totals: {}, labels: {} }

let members: TestMembers
let isHanging: boolean
let node: TestNode
beforeEach(async () => {
  isHanging = false
  const memory = new MemoryStorage()
  const ofNewcomer = nodeKey(NEWCOMER.nodeId)
  const get: Storage['get'] = (key) =>
    isHanging && key.sk === ofNewcomer.sk ? new Promise(() => undefined) : memory.get(key)
  members = new TestMembers(changedStorage(memory, { get }))
  const [first] = await members.addMany(3)
  node = first as TestNode
})
afterEach(() => {
  members.stopAll()
})

const livesOf = (nodeId: string): readonly number[] =>
  node.living.filter((each) => each.nodeId === nodeId).map(({ epoch }) => epoch)

test('MN2: a look that hangs has put the death into the view, and the raylet is told all the same', async () => {
  members.kill('0001')
  const naming = { clusterEpoch: 'cluster-of-0000', version: 0, token: 'new' }
  const { epoch } = await registerNode(members.race, NEWCOMER, naming)
  await announce(members.race, [{ nodeId: NEWCOMER.nodeId, epoch, state: 'ALIVE' }])
  const { heartbeat = 0 } = (await readNode(members.storage, '0001')) ?? {}
  await declareDead(members.race, { ...DEATH, heartbeat, reason: DEATH.death })
  isHanging = true
  void node.membership.look()
  await members.clock.advance(1)
  const known = node.membership.nodes().find((each) => each.nodeId === '0001')
  expect(known?.state).toBe('DEAD')
  node.membership.heardDead(DEATH)
  expect(livesOf('0001')).toEqual([])
})

test('MN2: a later life that waits to be told of is told with the death of the one before', async () => {
  const row = node.membership.nodes().find((each) => each.nodeId === '0001')
  if (row === undefined) throw new Error('there is no such node')
  await node.membership.met({ ...row, nodeId: '0009' })
  void node.membership.met({ ...row, epoch: 2 })
  expect(livesOf('0001')).toEqual([1])
  node.membership.heardDead(DEATH)
  expect(livesOf('0001')).toEqual([2])
})
