// An owner that stays for what others hold asks all of them to collect, and nobody once it is free.
import { expect, it } from 'vitest'
import { askHolders } from '../../../runtime/core-worker/ask-holders.ts'
import type { Peer, PeerChannel } from '../../../runtime/core-worker/peers.ts'
import { HandClock } from '../../support/hand-clock.ts'

it('asks each borrower every 2 s, those that come later too, until nothing is held', () => {
  const clock = new HandClock()
  const asked: string[] = []
  const peerOf = (name: string): Peer => {
    const channel = { notify: (type: string) => asked.push(`${name} ${type}`) }
    return {
      with: (use: (channel: PeerChannel) => void) => {
        use(channel as unknown as PeerChannel)
      },
    } as unknown as Peer
  }
  const peers = [peerOf('here'), peerOf('on another node')]
  let isHeld = true
  askHolders({ clock, borrowers: () => peers, isHeld: () => isHeld })
  clock.turn(1_999)
  expect(asked).toEqual([])
  clock.turn(1)
  expect(asked.splice(0)).toEqual(['here collectHandles', 'on another node collectHandles'])
  peers.splice(0, 2, peerOf('later'))
  clock.turn(2_000)
  expect(asked.splice(0)).toEqual(['later collectHandles'])
  isHeld = false
  clock.turn(10_000)
  expect(asked).toEqual([])
  expect(clock.pendingCount).toBe(0)
})
