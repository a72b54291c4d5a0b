// Messages about tokens of limiters, given to the part that each is for.
import { unreachable } from '../../common/assert.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, type EventOf, type Turn } from '../turn.ts'
import type { LimiterEvent } from './limiter-events.ts'
import { tendKeeper, tokensAsked } from './limiter-keeper.ts'
import type { LimiterCalls } from './limiter-messages.ts'
import { tendAsks, tokensGiven, toldToTell } from './token-asks.ts'

export function applyToLimiters(turn: Turn, event: EventOf<LimiterEvent['kind']>): void {
  const { cluster } = turn.state
  if (cluster === undefined) return
  if (event.kind === 'tokensAsked') asked(turn, cluster, event)
  else answered(turn, cluster, event)
}

/** On a tick. */
export function tendLimitersOfNodes(turn: Turn, cluster: ClusterState): void {
  tendAsks(turn, cluster)
  tendKeeper(turn, cluster)
}

function asked(turn: Turn, cluster: ClusterState, event: EventOf<'tokensAsked'>): void {
  switch (event.type) {
    case 'askTokens':
      tokensAsked(turn, cluster, event, event.message as LimiterCalls['askTokens'][0])
      return
    case 'tellTokens':
      answer(turn, event.request, {})
      toldToTell(turn, cluster, event.from)
      return
    default:
      unreachable(event.type)
  }
}

function answered(turn: Turn, cluster: ClusterState, event: EventOf<'tokensAnswered'>): void {
  if (event.type !== 'askTokens') return // who was to tell does so by a request of its own
  const message = event.message as LimiterCalls['askTokens'][0]
  tokensGiven(turn, cluster, message, event.answer as LimiterCalls['askTokens'][1] | undefined)
}
