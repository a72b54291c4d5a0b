// What a process that leaves gives away, as the core of it sees that: scenarios show the rest.
import { expect, test } from 'vitest'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import type { CoreWorker } from '../../../runtime/core-worker/core-worker.ts'
import { HandOver } from '../../../runtime/core-worker/hand-over.ts'
import { ObjectEntry, STORED } from '../../../runtime/core-worker/object-entry.ts'
import { HandClock } from '../../support/hand-clock.ts'

const ID = 'an object' as ObjectId
const HEIR = { closed: false, nodeId: 'another node', knownAddress: '@heir' }
const LONG_MS = 5_000

test('HV1 what is lost once more before anybody has it is given when it is complete again', async () => {
  const clock = new HandClock()
  const entry = new ObjectEntry(undefined, 0, 0)
  let askedCount = 0
  const handOn = async (): Promise<{ kept: readonly ObjectId[] }> => {
    askedCount += 1
    return { kept: [] }
  }
  const borrowers = { all: () => [HEIR], lentTo: () => [] }
  const handOver = new HandOver({
    adoption: {},
    ownNodeId: 'this node',
    references: { needed: () => [entry], idOf: () => ID, borrowers },
    deps: { clock, raylet: { request: handOn } },
  } as unknown as CoreWorker)
  handOver.run()
  await clock.advance(0)
  entry.complete(STORED, { objectId: ID, sizeBytes: 1 })
  await clock.advance(0)
  expect(askedCount).toBe(1)
  entry.lose()
  await clock.advance(LONG_MS)
  expect(askedCount).toBe(1)
  entry.complete(STORED, { objectId: ID, sizeBytes: 1 })
  await clock.advance(0)
  expect(askedCount).toBe(2)
})
