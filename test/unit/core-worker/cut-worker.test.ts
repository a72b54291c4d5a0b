// When a task that holds a token is over, as its owner sees it whose connection to it is cut. Found
// by a limiter of one on real nodes: cut off for 25 s, its task ran twice at a time.
import { describe, expect, it } from 'vitest'
import { CUT_NOTICED_MS } from '../../../runtime/common/limits.ts'
import { brokenAs, runsLimited, whenRunsNoMore } from '../../../runtime/core-worker/cut-worker.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'

const errorOf = (code: string): Error => Object.assign(new Error(code), { code })

/** A peer on a lost node, and how often it was said that nothing runs there any more. */
function aLostPeer() {
  const clock = new HandClock()
  const peer = new Peer('at-worker')
  const close = (error?: Error): void => {
    peer.close(error === undefined ? 'CLOSED' : brokenAs(error))
  }
  peer.opened({ notify: () => undefined, close } as unknown as PeerChannel)
  let count = 0
  whenRunsNoMore(peer, clock, () => (count += 1))
  return { clock, close, count: () => count }
}

describe('a worker whose node cannot be reached', () => {
  it.each([undefined, errorOf('ECONNRESET'), errorOf('EPIPE')])(
    'CW1: has ended when it closes its connection: %s',
    async (error) => {
      const { clock, close, count } = aLostPeer()
      close(error)
      expect(count()).toBe(1)
      await clock.advance(2 * CUT_NOTICED_MS)
      expect(count()).toBe(1)
    },
  )

  it('CW2: may run on after its connection was cut, until its node has noticed', async () => {
    const { clock, close, count } = aLostPeer()
    await clock.advance(5_000)
    close(errorOf('ETIMEDOUT'))
    await clock.advance(CUT_NOTICED_MS - 5_001)
    expect(count()).toBe(0)
    await clock.advance(1)
    expect(count()).toBe(1)
  })

  it('CW2: is not waited for longer where nobody closes its connection', async () => {
    const { clock, count } = aLostPeer()
    await clock.advance(CUT_NOTICED_MS - 1)
    expect(count()).toBe(0)
    await clock.advance(CUT_NOTICED_MS)
    expect(count()).toBe(1)
  })

  it('is waited for where what it was given first holds a token, and else not', () => {
    const peer = new Peer('at-worker')
    expect(runsLimited(peer)).toBe(false)
    const free = peer.inFlight.push({ kind: {} } as TaskRecord)
    peer.inFlight.push({ kind: { limit: {} } } as TaskRecord)
    expect(runsLimited(peer)).toBe(false)
    peer.inFlight.take(free)
    expect(runsLimited(peer)).toBe(true)
  })
})
