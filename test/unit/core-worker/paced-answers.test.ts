// Answers to a borrower leave by their bytes, turn by turn, on a clock moved by hand.
import { expect, it } from 'vitest'
import { PUSH_BYTES_MAX, SEND_BUFFER_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { PacedAnswers } from '../../../runtime/core-worker/paced-answers.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import { HandClock } from '../../support/hand-clock.ts'

/** A borrower that asks `count` times for a value of `sizeBytes`. */
function aBorrower(count: number, sizeBytes: number) {
  const clock = new HandClock()
  const answers = new PacedAnswers(clock)
  const peer = new Peer('@borrower')
  const connection = { bufferedBytes: 0 }
  peer.opened(connection as PeerChannel)
  const made: number[] = []
  const answered: number[] = []
  for (let i = 0; i < count; i += 1) {
    const answer = answers.answer(peer, () => {
      made.push(i)
      return { kind: 'inline', blob: new Uint8Array(sizeBytes) }
    })
    void Promise.resolve(answer).then(() => answered.push(i))
  }
  return { clock, answers, peer, connection, made, answered }
}

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

it('small ones leave in the turn in which they are asked for, thousands of them', () => {
  const { made } = aBorrower(5_000, 8)
  expect(made).toEqual(all(5_000))
})

it('but not any number: each counts for more than its value', async () => {
  const { clock, made } = aBorrower(100_000, 1)
  expect(made.length).toBeLessThan(PUSH_BYTES_MAX / 32)
  await clock.advance(0)
  expect(made.length).toBe(100_000)
})

it('large ones leave a batch a turn, in order', async () => {
  const sizeBytes = PUSH_BYTES_MAX / 4
  const { clock, made, answered } = aBorrower(10, sizeBytes)
  expect(made).toEqual(all(4))
  await clock.advance(0)
  expect(answered).toEqual(all(10))
})

it('nothing is made while the borrower does not read; all of it once it does', async () => {
  const { clock, answers, peer, connection, made } = aBorrower(4, PUSH_BYTES_MAX / 4)
  connection.bufferedBytes = SEND_BUFFER_BYTES_MAX + 1
  const late = answers.answer(peer, () => ({ kind: 'inline', blob: new Uint8Array(1) }))
  await clock.advance(0)
  expect(made).toEqual(all(4))
  connection.bufferedBytes = 0
  peer.drained()
  expect(await late).toMatchObject({ kind: 'inline' })
})

it('an answer that cannot be made fails alone', async () => {
  const { clock, answers, peer } = aBorrower(4, PUSH_BYTES_MAX / 4)
  const failing = Promise.resolve(
    answers.answer(peer, () => {
      throw new RangeError('cannot be encoded')
    }),
  )
  const next = answers.answer(peer, () => ({ kind: 'inline', blob: new Uint8Array(1) }))
  const failed = expect(failing).rejects.toThrow('cannot be encoded')
  await clock.advance(0)
  await failed
  expect(await next).toMatchObject({ kind: 'inline' })
})
