// A member that is left alone: who declares the others dead where nobody is left to agree.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { readNode } from '../../../runtime/gcs/nodes.ts'
import { TestMembers } from '../../support/members.ts'

let members: TestMembers
beforeEach(() => {
  members = new TestMembers()
})
afterEach(() => {
  members.stopAll()
})

const deaths = async (): Promise<string[]> => {
  const rows = [...members.nodes.keys()].map((id) => readNode(members.storage, id))
  return (await Promise.all(rows)).flatMap((row) => (row?.state === 'DEAD' ? [row.nodeId] : []))
}

test.each([
  [3, 2],
  [4, 3],
  [9, 7], // some have no watcher left, or one that knows of no other
])('F10: of %i, %i fall silent at once: who is left finds all of them dead', async (of, silent) => {
  await members.addMany(of)
  const ids = [...members.nodes.keys()].slice(-silent)
  for (const id of ids) members.kill(id)
  await members.clock.advance(LEASE_MS - 1000)
  expect(await deaths()).toEqual([])
  await members.clock.advance(2 * LEASE_MS)
  expect(await deaths()).toEqual(ids)
})

test('WA1: who sees nobody declares nobody dead while one that could agree writes its row', async () => {
  await members.addMany(3)
  members.cut.add('0001>gcs')
  for (const id of ['0001', '0002']) {
    members.cut.add(`0000>${id}`)
    members.cut.add(`${id}>0000`)
  }
  await members.clock.advance(120_000)
  expect(await deaths()).toEqual([])
})
