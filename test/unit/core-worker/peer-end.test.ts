// How a connection has ended says whether the process behind it may live: once, by the first end.
import { describe, expect, test, vi } from 'vitest'
import type { JobId, WorkerId } from '../../../runtime/common/ids.ts'
import {
  Peer,
  Peers,
  type PeerChannel,
  type PeerEnd,
  type PeerHandlers,
  type PeersDeps,
} from '../../../runtime/core-worker/peers.ts'
import type { Connection } from '../../../runtime/protocol/connection.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { HandClock } from '../../support/hand-clock.ts'

const ENDS: [PeerEnd, boolean][] = [
  ['CLOSED', false],
  ['RESET', true],
  ['CUT', true],
  ['UNREACHED', true],
  ['NOBODY', false],
  ['OVER', false],
]

function open(): Peer {
  const peer = new Peer('@there')
  peer.opened({} as PeerChannel)
  return peer
}

/** Those of a process, and how often one of them has closed. */
function dialling(connect: () => Promise<Connection>) {
  const clock = new HandClock()
  const closed = vi.fn()
  const deps = { clock, codec: new ValueCodec(), transport: { connect } } as unknown as PeersDeps
  const own = { workerId: 'w' as WorkerId, address: '@here', jobId: 'j' as JobId }
  return { peers: new Peers(deps, own, { closed } as unknown as PeerHandlers), clock, closed }
}

describe('a peer', () => {
  test.each(ENDS)('that has ended as %s may live: %s', (end, mayLive) => {
    const peer = open()
    expect([peer.closed, peer.mayLive]).toEqual([false, false])
    peer.close(end)
    expect([peer.closed, peer.mayLive]).toEqual([true, mayLive])
  })

  test('that was closed by its other end, which said that it goes on, may live', () => {
    const peer = open()
    peer.goesOn = true
    peer.close()
    expect([peer.end, peer.mayLive]).toEqual(['CLOSED', true])
  })

  test('that was never open was not reached; and what ends it later changes nothing', () => {
    const peer = new Peer('@there')
    peer.close()
    peer.close('OVER')
    expect(peer.end).toBe('UNREACHED')
  })

  test('PE4 of a life that has ended is not dialled: it is over', async () => {
    const connect = vi.fn(() => new Promise<never>(() => undefined))
    const { peers, clock, closed } = dialling(connect)
    peers.livesEnded([['aa', 1]])
    const peer = peers.dial('127.0.0.1:1/aa/1@there')
    await clock.advance(0)
    expect([peer.end, closed.mock.calls.length, connect.mock.calls.length]).toEqual(['OVER', 1, 0])
    peers.dial('127.0.0.1:1/aa/2@there')
    expect(connect).toHaveBeenCalledTimes(1)
  })

  test('PE4 of a life that ends while it is dialled leaves no connection open', async () => {
    const connecting = Promise.withResolvers<Connection>()
    const { peers, clock } = dialling(() => connecting.promise)
    const peer = peers.dial('127.0.0.1:1/aa/1@there')
    peers.livesEnded([['aa', 1]])
    const close = vi.fn()
    const ignore = (): void => undefined
    connecting.resolve({ start: ignore, send: ignore, close } as unknown as Connection)
    await clock.advance(0)
    expect([peer.end, close.mock.calls.length]).toEqual(['OVER', 1])
  })
})
