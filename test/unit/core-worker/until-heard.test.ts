// On one node a connection breaks with a process only: nobody is asked, as its socket may be gone.
import { describe, expect, test } from 'vitest'
import { UntilHeard } from '../../../runtime/core-worker/until-heard.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'

describe('until it is heard', () => {
  test.each([
    ['this node', 'h:1/aa/1@/tmp/b.sock', { mayLive: false, done: 1 }],
    ['another node', 'h:2/bb/1@/tmp/b.sock', { mayLive: true, done: 0 }],
  ])('a process of %s does not answer', (_, address, expected) => {
    const asked = new Peer(address)
    const until = new UntilHeard({
      clock: { after: () => ({ cancel: () => undefined }) },
      ownAddress: 'h:3/aa/1@/tmp/a.sock',
      dial: () => asked,
      hasEnded: () => false,
    })
    let done = 0
    until.ask({
      address,
      ask: () => Promise.resolve(),
      done: () => {
        done += 1
      },
    })
    asked.close()
    expect({ mayLive: until.mayLive(asked), done }).toEqual(expected)
  })
})
