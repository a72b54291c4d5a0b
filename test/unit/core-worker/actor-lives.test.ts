// One actor as its caller sees it, from life to life, in every order that word of it can come.
import { expect, test } from 'vitest'
import { toWire } from '../../../runtime/common/error-wire.ts'
import { ActorDiedError, ActorUnavailableError } from '../../../runtime/common/errors.ts'
import type { ActorId, WorkerId } from '../../../runtime/common/ids.ts'
import { Actors } from '../../../runtime/core-worker/actors.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import type { ActorInfo, ActorView } from '../../../runtime/protocol/actor-messages.ts'
import { lostWorker } from '../../../runtime/raylet/lost-worker.ts'
import { HandClock } from '../../support/hand-clock.ts'

const actorId = 'actorA' as ActorId
const info = { actorId, className: 'A', maxPendingCalls: -1 } as ActorInfo

const alive = (incarnation: number, address: string): ActorView => ({
  actorId,
  phase: 'ALIVE',
  incarnation,
  address,
  workerId: undefined,
})

/** An actor that lives at '@first', where a call of it is under way. */
async function calling() {
  const peers = new Map<string, Peer>()
  const failed: Error[] = []
  const fail = (_: TaskRecord, error: Error): void => {
    failed.push(error)
  }
  const clock = new HandClock()
  const actors = new Actors({
    clock,
    ownAddress: '@me',
    real: (info) => info,
    dial: (address) => {
      const peer = new Peer(address)
      peers.set(address, peer)
      return peer
    },
    watch: () => Promise.resolve(alive(0, '@first')),
    ends: { fail },
  })
  const kind = { actorId, name: 'A.run' }
  const of = { isAt: () => true, unheard: () => undefined }
  const record = { kind, phase: 2, retriesLeft: 0, ...of } as unknown as TaskRecord
  actors.call(info, () => record)
  await clock.advance(1)
  const first = peers.get('@first')
  first?.inFlight.push(record)
  return { actors, clock, failed, first, latest: () => peers.get('@first') }
}

test('CA2: the old life may end its connection after the next one is known', async () => {
  const { actors, clock, failed, first } = await calling()
  actors.changed(alive(1, '@second'))
  first?.close()
  await clock.advance(1)
  expect(failed[0]).toBeInstanceOf(ActorUnavailableError)
  expect(failed[0]?.message).toContain('The actor restarts')
})

test('F14: a life whose node counts as dead is not heard any more, though its process may live', async () => {
  const { actors, first } = await calling()
  let closes = 0
  const close = (): void => void (closes += 1)
  first?.opened({ bufferedBytes: 0, close } as PeerChannel)
  const exit = lostWorker('' as WorkerId)
  actors.changed({ ...alive(1, ''), phase: 'RESTARTING', exit })
  expect(closes).toBe(1)
})

test('F07: whose node is dead is restarting only once that is decided: it may have no restart left', async () => {
  const { actors, clock, failed, first } = await calling()
  const exit = lostWorker('' as WorkerId)
  actors.changed({ ...alive(1, ''), phase: 'RESTARTING', exit })
  first?.close()
  await clock.advance(5_000)
  expect(failed).toEqual([])
  const error = toWire(new ActorDiedError('actor A died: its node is dead'))
  actors.changed({ ...alive(0, ''), phase: 'DEAD', error })
  expect(failed[0]).toBeInstanceOf(ActorDiedError)
})

test('F07: once that is decided its calls are told of the restart, of which there was word before', async () => {
  const { actors, clock, failed, first } = await calling()
  const exit = lostWorker('' as WorkerId)
  actors.changed({ ...alive(1, ''), phase: 'RESTARTING', exit })
  first?.close()
  await clock.advance(1_000)
  expect(failed).toEqual([])
  const error = toWire(new ActorDiedError('actor A restarts: its node is dead'))
  actors.changed({ ...alive(1, ''), phase: 'RESTARTING', error })
  expect(failed[0]).toBeInstanceOf(ActorUnavailableError)
  expect(failed[0]?.message).toContain('The actor restarts')
})

test('a connection that broke, and no word of a death, is not told as a restart', async () => {
  const { clock, failed, first } = await calling()
  first?.close()
  await clock.advance(60_000)
  expect(failed[0]).toBeInstanceOf(ActorUnavailableError)
  expect(failed[0]?.message).toContain('when the connection to the worker of A broke')
  expect(failed[0]?.message).not.toContain('restarts')
})

test('who cannot be dialled waits for word of its death, however long that takes', async () => {
  const { actors, clock, failed, first, latest } = await calling()
  first?.close()
  for (let dials = 0; dials < 20; dials += 1) {
    await clock.advance(250)
    latest()?.close()
  }
  expect(failed).toEqual([])
  const error = toWire(new ActorDiedError('actor A died: its worker crashed'))
  actors.changed({ ...alive(0, ''), phase: 'DEAD', error })
  expect(failed[0]).toBeInstanceOf(ActorDiedError)
})

test('who can be dialled again lives: what was under way is told at once', async () => {
  const { clock, failed, first, latest } = await calling()
  first?.close()
  await clock.advance(250)
  latest()?.opened({ bufferedBytes: 0 } as PeerChannel)
  expect(failed[0]).toBeInstanceOf(ActorUnavailableError)
  expect(failed[0]?.message).toContain('when the connection to the worker of A broke')
})

/** An actor that is not made yet, by a process at '@maker', and a call of it that waits. */
async function unmade() {
  const peers: Peer[] = []
  const failed: Error[] = []
  let watches = 0
  const fail = (_: TaskRecord, error: Error): void => void failed.push(error)
  const clock = new HandClock()
  const actors = new Actors({
    ...{ clock, ownAddress: '@me', ends: { fail } },
    real: (info) => info,
    dial: (address) => {
      peers.push(new Peer(address))
      return peers.at(-1) as Peer
    },
    watch: () => {
      watches += 1
      return Promise.resolve({ ...alive(0, ''), phase: 'DEPENDENCIES_UNREADY' } as const)
    },
  })
  const record = { kind: { actorId, name: 'A.run' }, phase: 0 } as unknown as TaskRecord
  const call = (): TaskRecord => actors.call({ ...info, ownerAddress: '@maker' }, () => record)
  call()
  await clock.advance(1)
  const passes = async (seconds: number, each: (peer: Peer | undefined) => void): Promise<void> => {
    for (let s = 0; s < seconds; s += 1) {
      each(peers.at(-1))
      await clock.advance(1_000)
    }
  }
  return { actors, call, clock, failed, peers, passes, watches: () => watches }
}
const opens = (peer?: Peer): void => peer?.opened({ bufferedBytes: 0 } as PeerChannel)
const closes = (peer?: Peer): void => peer?.close()

test('MW1: whose maker is gone is looked for again, and its calls are told in time', async () => {
  const { call, failed, passes, watches } = await unmade()
  await passes(24, closes)
  expect(failed).toEqual([])
  expect(watches()).toBeGreaterThan(20)
  await passes(2, closes)
  expect(failed[0]).toBeInstanceOf(ActorDiedError)
  expect(failed[0]?.message).toContain('actor A was not made')
  const told = watches()
  await passes(60, closes)
  expect(watches(), 'nothing waits: nothing is asked').toBe(told)
  call()
  await passes(26, closes)
  expect(failed).toHaveLength(2)
})

test('MW1: a maker whose connection broke, and that is there again, is waited for', async () => {
  const { failed, passes, peers } = await unmade()
  await passes(20, closes)
  opens(peers.at(-1))
  await passes(60, () => undefined)
  await passes(20, closes)
  expect(failed).toEqual([])
})

test('MW1: a retry that made it ends the watch', async () => {
  const { actors, failed, passes, peers } = await unmade()
  await passes(10, closes)
  actors.changed(alive(0, '@retry'))
  const dialled = peers.length
  await passes(60, () => undefined)
  expect(peers.slice(dialled)).toEqual([])
  expect(failed).toEqual([])
})
