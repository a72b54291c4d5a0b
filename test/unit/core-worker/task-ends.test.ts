// When the end of a task that holds a token gives it back, as its owner knows of its worker.
import { expect, it } from 'vitest'
import { CUT_NOTICED_MS } from '../../../runtime/common/limits.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'
import type { Scope } from '../../../runtime/core-worker/scope.ts'
import { TaskEnds, type TaskEndsDeps } from '../../../runtime/core-worker/task-ends.ts'
import type { TaskKind } from '../../../runtime/core-worker/task-kind.ts'
import { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'

/** A limited task under way at a worker, and how many tokens have come back. */
function running() {
  const clock = new HandClock()
  let returned = 0
  const ends = new TaskEnds({
    clock,
    references: {},
    tally: { submitted: () => undefined, ended: () => undefined },
    storeFree: () => undefined,
    limitDone: () => (returned += 1),
    onPending: () => undefined,
  } as unknown as TaskEndsDeps)
  const peer = new Peer('at-worker')
  const scope = { adopt: () => undefined } as unknown as Scope
  const record = new TaskRecord({ limit: {} } as unknown as TaskKind, scope, 0)
  record.peer = peer
  ends.begin(record)
  record.seq = peer.inFlight.push(record)
  peer.whenClosed(() => {
    ends.peerClosed(peer)
  })
  return { clock, ends, peer, record, returned: () => returned }
}

it('CW2: a task that is cancelled after its connection was cut keeps its token until nothing runs there', async () => {
  const { clock, ends, peer, record, returned } = running()
  peer.close('CUT')
  ends.end(record, true)
  await clock.advance(CUT_NOTICED_MS - 1)
  expect(returned()).toBe(0)
  await clock.advance(1)
  expect(returned()).toBe(1)
})

it('CW2: so does one that was cancelled before', async () => {
  const { clock, ends, peer, record, returned } = running()
  ends.end(record, true)
  expect(returned()).toBe(0)
  peer.close('CUT')
  await clock.advance(CUT_NOTICED_MS - 1)
  expect(returned()).toBe(0)
  await clock.advance(1)
  expect(returned()).toBe(1)
})

it('CW1: the token of one whose worker has ended is free at once', () => {
  const { ends, peer, record, returned } = running()
  ends.end(record, true)
  peer.close()
  expect(returned()).toBe(1)
})
