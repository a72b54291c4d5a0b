// On one node a connection breaks with a process only: nobody is asked, as its socket may be gone.
import { describe, expect, test } from 'vitest'
import { CutBorrowers } from '../../../runtime/core-worker/cut-borrowers.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'

describe('cut borrowers', () => {
  test.each([
    ['this node', 'h:1/aa/1@/tmp/b.sock', { gone: 1, dialled: 0 }],
    ['another node', 'h:2/bb/1@/tmp/b.sock', { gone: 0, dialled: 1 }],
  ])('the connection of a borrower of %s breaks', (_, address, expected) => {
    const seen = { gone: 0, dialled: 0 }
    const borrowers = new CutBorrowers({
      clock: { after: () => ({ cancel: () => undefined }) },
      ownAddress: 'h:3/aa/1@/tmp/a.sock',
      dial: (to) => {
        seen.dialled += 1
        return new Peer(to)
      },
      hasEnded: () => false,
    })
    const peer = new Peer(address)
    peer.isBroken = true
    borrowers.closed(peer, () => {
      seen.gone += 1
    })
    expect(seen).toEqual(expected)
  })
})
