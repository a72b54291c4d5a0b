// When it is sure that nothing runs any more at a worker whose node cannot be reached: it works on
// until its raylet has noticed too, and ends it. Only who must not run twice at a time waits for
// that: a task that holds a token of a limiter.
// Invariants:
//   CW1. A connection that its other end has closed belongs to a process that has ended, unless
//        that has said before that it goes on (`goesOn`).
//   CW2. One that was cut, or that nobody closes, may belong to one that runs for CUT_NOTICED_MS,
//        after which its node has ended all that was asked for over the cut.
import type { Clock } from '../common/clock.ts'
import { CUT_NOTICED_MS } from '../common/limits.ts'
import type { Peer } from './peers.ts'

/** Closes of the other end that show here as errors. */
const ENDED = new Set(['ECONNRESET', 'EPIPE'])

/** @param error  with which the connection broke. */
export const brokenAs = (error: Error & { readonly code?: string }): 'RESET' | 'CUT' =>
  ENDED.has(error.code ?? '') ? 'RESET' : 'CUT'

/** What it runs, or is given next, holds a token. */
export function runsLimited(peer: Peer): boolean {
  const seq = peer.inFlight.firstSeq()
  return seq !== undefined && peer.inFlight.get(seq)?.kind.limit !== undefined
}

/** Nobody may be left there who closes it; if somebody is, what this process has of it stays (CB1). */
export function closeAtLostNode({ channel }: Peer): void {
  channel?.notify('goesOn', {})
  channel?.close()
}

/** Its node is lost: calls `run` once, when it has closed and nothing runs there any more. */
export function whenRunsNoMore(peer: Peer, clock: Pick<Clock, 'after'>, run: () => void): void {
  let isOver = false
  const limit = clock.after(CUT_NOTICED_MS, () => {
    isOver = true
    closeAtLostNode(peer)
    peer.whenClosed(run)
  })
  peer.whenClosed(() => {
    if (isOver || peer.end === 'CUT') return
    limit.cancel()
    run()
  })
}
