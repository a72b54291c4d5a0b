// OW1: workers whose lease ends under them, and that may stay for what they own.
import { expect, test } from 'vitest'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { aBusyNode, type Brain } from './brain.ts'

/** A task of the driver at w1 has another at w2. */
function aNested(): Brain {
  const brain = aBusyNode({ resources: { CPU: 2 } })
  brain.want('driver1', 0, 1, {})
  brain.want('w1', 0, 1, { name: 'nested' })
  return brain
}

const cut = (brain: Brain, client: string, leaseId: number): RayletEffect[] =>
  brain.send({ kind: 'killLease', client: brain.id(client), leaseId, isCut: true })

const BROKEN = { type: 'leaseBroken', message: { exit: { cause: 'ORPHANED' } } }

const phaseOf = (brain: Brain, name: string): string | undefined =>
  brain.state.workers.get(brain.id(name))?.phase

test('one whose owner is gone is told to end; it stays if it says so, for as long as it likes', () => {
  const brain = aNested()
  expect(brain.show(brain.close('w1'))).toContain('→ w2: exit ORPHANED')
  brain.staying('w2')
  expect(phaseOf(brain, 'w2')).toBe('RETIRED')
  expect(brain.show(brain.tick(60_000))).not.toContain('SIGKILL w2')
})

test('it is killed when it has not said so in time, and with its job', () => {
  const brain = aNested()
  brain.close('w1')
  expect(brain.show(brain.tick(500))).toContain('SIGKILL w2')
  brain.staying('w2')
  expect(phaseOf(brain, 'w2')).toBe('EXITING')
  const other = aNested()
  other.close('w1')
  other.staying('w2')
  expect(other.show(other.close('driver1'))).toContain('→ w2: exit OVER')
})

test('OW1: an owner that has lost the connection to it hears that its lease is broken before it stays', () => {
  const brain = aNested()
  expect(brain.show(cut(brain, 'w1', 2))).toEqual(['→ w2: exit ORPHANED'])
  expect(brain.state.leases.size).toBe(2)
  const told = brain.staying('w2')
  expect(told[0]).toMatchObject(BROKEN)
  expect(brain.state.workers.get(brain.id('w2'))?.lease).toBeUndefined()
  expect(phaseOf(brain, 'w2')).toBe('RETIRED')
})

test('OW1: or that it has ended', () => {
  const brain = aNested()
  cut(brain, 'w1', 2)
  expect(brain.show(brain.tick(500))).toContain('SIGKILL w2')
  const told = brain.exit('w2')
  expect(told[0]).toMatchObject(BROKEN)
})
