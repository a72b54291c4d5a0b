// LP1: who gets what comes free where there are several nodes, by real brains of all of them.
import { expect, test } from 'vitest'
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { aClass, units } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

const FIRST = 0
const SECOND = 1

const cpus = (...counts: number[]): SeveralBrains =>
  new SeveralBrains(counts.map((CPU) => ({ resources: units({ CPU }) })))

/** Of a driver at the first node. */
function want(brains: SeveralBrains, client: string, classId: number, count: number): void {
  const spec = aClass()
  const wish = { client: client as WorkerId, classId, count, spec }
  brains.send(brains.at(0), { kind: 'wantLeases', ...wish })
  brains.settle()
}

/** How many each class of a driver holds. */
const heldOf = (brains: SeveralBrains, classId: number): number =>
  [...brains.at(0).held.values()].filter((lease) => lease.classId === classId).length

/** One of those at the first node. */
function giveBackOne(brains: SeveralBrains, client: string): void {
  const { held, state } = brains.at(0)
  const local = [...held.keys()].find((leaseId) => !state.remoteLeases.has(leaseId as never))
  if (local === undefined) throw new Error('it holds none at home')
  brains.giveBack(client, local)
}

test('the class that has nothing gets what comes free, though another wants more for longer', () => {
  const brains = cpus(1, 1)
  brains.driver('d')
  want(brains, 'd', FIRST, 5)
  want(brains, 'd', SECOND, 2)
  expect([heldOf(brains, FIRST), heldOf(brains, SECOND)]).toEqual([2, 0])
  giveBackOne(brains, 'd')
  expect([heldOf(brains, FIRST), heldOf(brains, SECOND)]).toEqual([1, 1])
})

test('what is kept for who starves is given to it, and does not lie idle', () => {
  const brains = cpus(1, 1)
  brains.driver('d')
  want(brains, 'd', FIRST, 5)
  want(brains, 'd', SECOND, 1)
  brains.tick(1_000)
  giveBackOne(brains, 'd')
  expect(heldOf(brains, SECOND)).toBe(1)
  expect(brains.free(0)).toBe(0)
})

test('the job that has nothing gets what comes free, though another wants more for longer', () => {
  const brains = cpus(1, 1)
  brains.driver('d')
  brains.driver('e')
  want(brains, 'd', FIRST, 5)
  want(brains, 'e', SECOND, 1)
  giveBackOne(brains, 'd')
  expect(heldOf(brains, SECOND)).toBe(1)
})

test('what several want and nobody has is shared, wherever it lies', () => {
  const brains = cpus(2, 2, 2)
  brains.driver('d')
  brains.driver('blocker')
  want(brains, 'blocker', 2, 6)
  want(brains, 'd', FIRST, 6)
  want(brains, 'd', SECOND, 6)
  const leases = [...brains.at(0).held.keys()]
  want(brains, 'blocker', 2, 0)
  for (const leaseId of leases) brains.giveBack('blocker', leaseId)
  expect([heldOf(brains, FIRST), heldOf(brains, SECOND)]).toEqual([3, 3])
})
