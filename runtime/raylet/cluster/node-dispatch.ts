// Events of there being several nodes, given to the part that each is for.
import { unreachable } from '../../common/assert.ts'
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

export function applyToNodes(turn: Turn, event: EventOf<NodeEvent['kind']>): void {
  switch (event.kind) {
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
      return
    case 'loads':
      for (const load of event.loads) turn.state.cluster?.view.learn(load)
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
    default:
      unreachable(event)
  }
}
