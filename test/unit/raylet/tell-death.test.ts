// Who is told that a node is dead before its actors begin their next lives, and for how long.
import { beforeEach, expect, test } from 'vitest'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import { tellDeath } from '../../../runtime/raylet/actors/tell-death.ts'
import { HandClock } from '../../support/hand-clock.ts'

const DEATH = { nodeId: 'gone', epoch: 2, death: 'its lease expired' }

let clock: HandClock
let living: string[]
let silent: Set<string>
let suspected: Set<string>
let asked: string[]
let isOver: boolean
beforeEach(() => {
  clock = new HandClock()
  living = ['a', 'b', 'c']
  silent = new Set()
  suspected = new Set()
  asked = []
  isOver = false
})

function tell(): void {
  const member = {
    others: () => living.map((nodeId) => ({ nodeId }) as NodeRow),
    isSuspected: (nodeId: string) => suspected.has(nodeId),
    ask: (nodeId: string, type: string, message: object) => {
      asked.push(nodeId)
      expect([type, message]).toEqual(['nodeDied', DEATH])
      return silent.has(nodeId) ? Promise.reject(new Error('no answer')) : Promise.resolve()
    },
  }
  void tellDeath(member as unknown as Parameters<typeof tellDeath>[0], clock, DEATH).then(() => {
    isOver = true
  })
}

test('TD1: it is over when all have answered', async () => {
  tell()
  await clock.advance(0)
  expect(asked).toEqual(['a', 'b', 'c'])
  expect(isOver).toBe(true)
})

test('TD1: who does not answer is asked again alone, until it does', async () => {
  silent.add('b')
  tell()
  await clock.advance(1_000)
  expect(isOver).toBe(false)
  silent.clear()
  await clock.advance(1_000)
  expect(isOver).toBe(true)
  expect(asked.filter((nodeId) => nodeId !== 'b')).toEqual(['a', 'c'])
  expect(asked.length).toBeLessThan(10)
})

test('TD1: nobody waits for who is gone or suspected to be, nor for anybody else for more than 10 s', async () => {
  silent = new Set(living)
  suspected.add('a')
  tell()
  await clock.advance(1_000)
  expect(asked).not.toContain('a')
  living = ['a', 'b']
  await clock.advance(8_000)
  expect(isOver).toBe(false)
  await clock.advance(2_000)
  expect(isOver).toBe(true)
})
