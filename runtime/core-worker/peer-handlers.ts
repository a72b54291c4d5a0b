// What other core-workers send to this one, and which part of it gets it.
import type { PeerCalls, PeerNotices } from '../protocol/peer-messages.ts'
import type { CoreWorker, Execution } from './core-worker.ts'
import { PacedAnswers } from './paced-answers.ts'
import type { Peer, PeerHandlers } from './peers.ts'

export function peerHandlers(worker: CoreWorker): PeerHandlers {
  const notices: Readonly<Record<string, ((peer: Peer, message: never) => void) | undefined>> =
    peerNotices(worker)
  const calls: Readonly<Record<string, ((peer: Peer, message: never) => unknown) | undefined>> =
    peerCalls(worker)
  return {
    push: (peer, reader) => {
      executionOf(worker).executor.push(peer, reader)
    },
    part: (peer, reader) => {
      executionOf(worker).executor.part(peer, reader)
    },
    reply: (peer, reader) => {
      worker.receiver.replies(peer, reader)
      worker.leases.replied(peer)
    },
    closed: (peer) => {
      worker.execution?.executor.ownerGone(peer)
      worker.ends.peerClosed(peer)
    },
    notified: (peer, type, message) => {
      notices[type]?.(peer, message as never)
    },
    requested: (peer, type, message) => calls[type]?.(peer, message as never),
  }
}

type PeerCallHandlers = {
  readonly [K in Exclude<keyof PeerCalls, 'peerHello'>]: (
    peer: Peer,
    message: PeerCalls[K][0],
  ) => unknown
}

function peerCalls(worker: CoreWorker): PeerCallHandlers {
  const { references } = worker
  const answers = new PacedAnswers(worker.deps.clock)
  return {
    getObject: (peer, asked) => {
      return worker.values.describe(asked, peer.nodeId, (make) => answers.answer(peer, make))
    },
    borrow: (peer, { objectId, times }) => {
      references.lend(peer, objectId, times)
      worker.handOverMore()
    },
    borrowFor: async (_, { address, objectIds }) => {
      const lent = worker.cutBorrowers.lendAt(address, objectIds)
      worker.handOverMore()
      await lent
    },
    registerAgain: (_, { address }) => references.registerAgain(address),
    flush: () => {
      worker.execution?.replies.flush()
    },
    adoptObject: (peer, { objectId, lineage }) => {
      worker.adoption?.take(objectId, lineage)
      references.lend(peer, objectId)
    },
    inherit: (peer, given) => worker.adoption?.inherit(peer, given) ?? false,
    ownerMoved: async (peer, moved) => {
      references.ownerMoved(moved)
      await references.settled()
      references.tellUnheard(peer) // CB2
    },
  }
}

type PeerNoticeHandlers = {
  readonly [K in keyof PeerNotices]: (peer: Peer, message: PeerNotices[K]) => void
}

function peerNotices(worker: CoreWorker): PeerNoticeHandlers {
  return {
    template: () => undefined, // handled by the peer itself
    leased: (_, message) => {
      executionOf(worker).leased(message)
    },
    goesOn: (peer) => {
      peer.goesOn = true
    },
    handBack: (peer) => {
      executionOf(worker).executor.handBack(peer)
    },
    handedBack: (peer, { seqs }) => {
      worker.submitter.handedBack(peer, seqs)
    },
    cancelTask: (peer, message) => {
      executionOf(worker).executor.cancel(peer, message)
    },
    cancelObject: (_, { objectId, force, recursive }) => {
      const task = worker.references.find(objectId)?.task
      if (task !== undefined) worker.submitter.cancel(task, { force, recursive })
    },
    started: (peer, { seq }) => {
      worker.submitter.started(peer, seq)
    },
    streamItem: (peer, message) => {
      worker.receiver.streamItem(peer, message)
    },
    streamAck: (peer, message) => {
      executionOf(worker).executor.streamAck(peer, message)
    },
    release: (peer, { objectId }) => {
      worker.references.borrowers.release(peer, objectId)
    },
    unheard: (peer, message) => {
      worker.cutBorrowers.passOn(peer, message)
    },
    retiring: (peer) => {
      worker.leases.retiring(peer)
    },
    handoffDone: (peer, { handoffId }) => {
      worker.handoffs.done(peer, handoffId)
    },
    collectHandles: () => {
      worker.collector.collectForOthers()
    },
  }
}

function executionOf({ execution }: CoreWorker): Execution {
  if (execution === undefined) throw new Error('tasks were pushed to a process that runs none')
  return execution
}
