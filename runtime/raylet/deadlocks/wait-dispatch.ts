// Messages about tasks that wait, given to the part that each is for.
import { unreachable } from '../../common/assert.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, type EventOf, type Turn } from '../turn.ts'
import { tendDetector, waitsConfirmed, waitsTold } from './deadlock-detector.ts'
import { confirmWaits, deadlockTold, tellAnswered, tendToldWaits } from './told-waits.ts'
import type { WaitEvent } from './wait-events.ts'
import type { WaitCalls } from './wait-messages.ts'

export function applyToWaits(turn: Turn, event: EventOf<WaitEvent['kind']>): void {
  const { cluster } = turn.state
  if (cluster === undefined) return
  if (event.kind === 'waitsAsked') asked(turn, cluster, event)
  else answered(turn, cluster, event)
}

/** On a tick. */
export function tendWaits(turn: Turn, cluster: ClusterState): void {
  tendToldWaits(turn, cluster)
  tendDetector(turn, cluster)
}

function asked(turn: Turn, cluster: ClusterState, event: EventOf<'waitsAsked'>): void {
  const { from, request, type, message } = event
  switch (type) {
    case 'tellWaits': {
      const told = message as WaitCalls['tellWaits'][0]
      answer(turn, request, waitsTold(turn, cluster, from, told))
      return
    }
    case 'confirmWaits':
      confirmWaits(turn, cluster, request, message as WaitCalls['confirmWaits'][0])
      return
    case 'tellDeadlock':
      deadlockTold(turn, cluster, request, message as WaitCalls['tellDeadlock'][0])
      return
    default:
      unreachable(type)
  }
}

function answered(turn: Turn, cluster: ClusterState, event: EventOf<'waitsAnswered'>): void {
  const { nodeId, type, message, answer: reply } = event
  if (type === 'tellWaits') {
    const told = message as WaitCalls['tellWaits'][0]
    tellAnswered(turn, cluster, told, reply as WaitCalls['tellWaits'][1] | undefined)
  } else if (type === 'confirmWaits') {
    const { round: id } = message as WaitCalls['confirmWaits'][0]
    const confirmed = reply as WaitCalls['confirmWaits'][1] | undefined
    waitsConfirmed(turn, cluster, nodeId, { id, reply: confirmed })
  } // of a deadlock that was told nothing is to be heard: the wait ends
}
