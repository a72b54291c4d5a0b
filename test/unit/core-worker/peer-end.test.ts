// How a connection has ended says whether the process behind it may live: once, by the first end.
import { describe, expect, test } from 'vitest'
import { Peer, type PeerChannel, type PeerEnd } from '../../../runtime/core-worker/peers.ts'

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
})
