// Events of there being several nodes, given to the part that each is for.
import { unreachable } from '../../common/assert.ts'
import { nodesOfWaits } from '../deadlocks/deadlock-detector.ts'
import { applyToWaits } from '../deadlocks/wait-dispatch.ts'
import type { WaitEvent } from '../deadlocks/wait-events.ts'
import { applyToLimiters } from '../limiters/limiter-dispatch.ts'
import type { LimiterEvent } from '../limiters/limiter-events.ts'
import { nodesOfLimiters } from '../limiters/limiter-keeper.ts'
import type { EventOf, Turn } from '../turn.ts'
import { guestLeft, guestLinkClosed, guestWants, leasesAsked } from './guests.ts'
import type { NodeEvent } from './node-events.ts'
import {
  heardForClient,
  leaseLapsed,
  leasesAnswered,
  nodeLost,
  nodesChanged,
} from './remote-leases.ts'
import { paceChanged, reviewPace } from './slow-node.ts'

export function applyToNodes(
  turn: Turn,
  event: EventOf<(NodeEvent | WaitEvent | LimiterEvent)['kind']>,
): void {
  switch (event.kind) {
    case 'confirmed':
      turn.state.leaseUntilMs = event.untilMs
      return
    case 'pace':
      paceChanged(turn, event)
      return
    case 'leasesAnswered':
      leasesAnswered(turn, event)
      return
    case 'heardForClient':
      heardForClient(turn, event)
      return
    case 'leaseLapsed':
      leaseLapsed(turn, event)
      return
    case 'nodeLost':
      nodeLost(turn, event)
      return
    case 'nodes':
      nodesChanged(turn, event)
      reviewPace(turn)
      if (turn.state.cluster === undefined) return
      nodesOfWaits(turn, turn.state.cluster, event)
      if (event.isArriving !== true) nodesOfLimiters(turn, turn.state.cluster, event)
      return
    case 'loads':
      for (const load of event.loads) turn.state.cluster?.view.learn(load)
      reviewPace(turn)
      return
    case 'leasesAsked':
      leasesAsked(turn, event)
      return
    case 'guestWants':
      guestWants(turn, event)
      return
    case 'guestLeft':
      guestLeft(turn, event)
      return
    case 'guestLinkClosed':
      guestLinkClosed(turn, event)
      return
    case 'waitsAsked':
    case 'waitsAnswered':
      applyToWaits(turn, event)
      return
    case 'tokensAsked':
    case 'tokensAnswered':
      applyToLimiters(turn, event)
      return
    default:
      unreachable(event)
  }
}
