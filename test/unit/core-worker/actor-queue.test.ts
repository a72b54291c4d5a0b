// The queue of one caller for one actor: which call holds those behind it.
import { expect, test } from 'vitest'
import type { ActorId } from '../../../runtime/common/ids.ts'
import { Actors } from '../../../runtime/core-worker/actors.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import type { ActorInfo } from '../../../runtime/protocol/actor-messages.ts'
import { HandClock } from '../../support/hand-clock.ts'

const actorId = 'actorA' as ActorId
const info = { actorId, className: 'A', maxPendingCalls: -1 } as ActorInfo

/** Of an actor that is never constructed: what is called stays in the queue. */
function queue(): {
  readonly actors: Actors
  readonly call: (args: Buffer | undefined) => TaskRecord
} {
  const actors = new Actors({
    clock: new HandClock(),
    ownAddress: '@me',
    real: (info) => info,
    dial: (address) => new Peer(address),
    watch: () => new Promise(() => undefined),
    ends: { fail: () => undefined },
  })
  const kind = { actorId, name: 'A.run' }
  return {
    actors,
    call: (args) => actors.call(info, () => ({ kind, phase: 0, args }) as unknown as TaskRecord),
  }
}

const READY = Buffer.alloc(0)

test('CA1: a call is held by one in front of it, until the dependencies of that one are in', () => {
  const { actors, call } = queue()
  const before = call(READY)
  const waiting = call(undefined)
  const behind = call(READY)
  expect(actors.holding(before)).toBeUndefined()
  expect(actors.holding(behind)).toBe(waiting)
  waiting.args = READY
  actors.ready(waiting)
  expect(actors.holding(behind)).toBeUndefined()
})

test('a call that has ended while it waited for its dependencies holds none', () => {
  const { actors, call } = queue()
  const waiting = call(undefined)
  const behind = call(READY)
  waiting.phase = 3
  waiting.onEnd?.()
  expect(actors.holding(behind)).toBeUndefined()
})

test('a queue in which none waits is not walked to know it', () => {
  const { actors } = queue()
  let looks = 0
  const kind = { actorId, name: 'A.run' }
  const calls = Array.from({ length: 1000 }, () =>
    actors.call(info, () => {
      const record = { kind, phase: 0 }
      Object.defineProperty(record, 'args', {
        get: () => {
          looks += 1
          return READY
        },
      })
      return record as unknown as TaskRecord
    }),
  )
  looks = 0
  for (const call of calls) expect(actors.holding(call)).toBeUndefined()
  expect(looks).toBeLessThanOrEqual(calls.length)
})
