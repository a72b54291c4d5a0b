// Events and effects of there being several nodes: who they are, and leases of one used from
// another.
// Part of the vocabulary of turn.ts.
import type { WorkerId } from '../../common/ids.ts'
import type { NodeLoad, NodeView } from '../../scheduling/cluster-view.ts'
import type { Member } from '../groups/group-state.ts'
import type { LeasesAnswer, LeasesAsked, PeerRayletNotices } from './peer-raylet-messages.ts'

export type NodeEvent =
  /** The GCS has confirmed this node as a member: see leaseUntilMs. */
  | { readonly kind: 'confirmed'; readonly untilMs: number }
  /** Whether this node gets the time it needs has changed. */
  | { readonly kind: 'pace'; readonly isSlow: boolean }
  /** What came of the effect askLeases; without an answer the node could not be asked. */
  | {
      readonly kind: 'leasesAnswered'
      readonly nodeId: string
      readonly message: LeasesAsked
      readonly answer: LeasesAnswer | undefined
    }
  | ({ readonly kind: 'heardForClient'; readonly nodeId: string } & PeerRayletNotices['toClient'])
  | ({ readonly kind: 'leaseLapsed'; readonly nodeId: string } & PeerRayletNotices['leaseLapsed'])
  /** The connection by which this node asked that one has closed. */
  | { readonly kind: 'nodeLost'; readonly nodeId: string }
  /** The other nodes that are alive, and those of them that do not answer this one now. */
  | {
      readonly kind: 'nodes'
      readonly nodes: readonly NodeView[]
      readonly suspected: ReadonlySet<string>
      /** With those that drain. */
      readonly members: ReadonlyMap<string, Member>
      /** There may be more, who do not know this one either. */
      readonly isArriving?: boolean
    }
  /** What other nodes have free, as gossip brought it. */
  | { readonly kind: 'loads'; readonly loads: readonly NodeLoad[] }
  | {
      readonly kind: 'leasesAsked'
      readonly link: number
      readonly request: number
      readonly message: LeasesAsked
    }
  | {
      readonly kind: 'guestWants'
      readonly link: number
      readonly message: PeerRayletNotices['guestWants']
    }
  | { readonly kind: 'guestLeft'; readonly link: number; readonly client: WorkerId }
  | { readonly kind: 'guestLinkClosed'; readonly link: number }

/** To the raylet of another node. */
export type NodeNoticeEffect = {
  readonly [K in NoticeToNode]: {
    readonly kind: 'tellNode'
    readonly nodeId: string
    readonly type: K
    readonly message: PeerRayletNotices[K]
  }
}[NoticeToNode]

type NoticeToNode = 'guestWants' | 'returnLease' | 'killLease' | 'guestLeft' | 'toClient'

export type NodeEffect =
  | NodeNoticeEffect
  | { readonly kind: 'askLeases'; readonly nodeId: string; readonly message: LeasesAsked }
  /** Less than one of something was free here; now it is. */
  | { readonly kind: 'hasRoomAgain' }
  /** To the home of a guest. */
  | { readonly kind: 'guestLeaseLapsed'; readonly client: WorkerId; readonly classId: number }
