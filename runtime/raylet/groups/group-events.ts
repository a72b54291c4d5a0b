// Events and effects of placement groups where there are several nodes: with their rows in the GCS,
// and with the raylets of other nodes. Part of the vocabulary of turn.ts.
import type { VirgaError } from '../../common/errors.ts'
import type { Coordinator, GroupDecision, GroupRow } from '../../gcs/groups.ts'
import type { GroupCall, GroupCalls } from './group-messages.ts'

export type GroupEvent =
  | {
      readonly kind: 'groupAsked'
      /** Hex. */
      readonly from: string
      readonly link: number
      readonly request: number
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
    }
  /** What came of the effect askGroup; without an answer the node could not be asked. */
  | {
      readonly kind: 'groupAnswered'
      readonly key: string
      readonly nodeId: string
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
      readonly answer: GroupCalls[GroupCall][1] | undefined
    }
  | { readonly kind: 'groupLinkClosed'; readonly link: number }
  /** What came of the effect readGroup; with an error: the row cannot be read, ever. */
  | {
      readonly kind: 'groupRead'
      readonly groupId: string
      readonly row: GroupRow | undefined
      readonly error?: VirgaError
    }
  /** What came of the effect writeGroup, or registerGroup: whether the row is this node's. */
  | {
      readonly kind: 'groupWritten'
      readonly groupId: string
      readonly attempt: number
      readonly won: boolean
    }
  /** What came of the effect claimGroup; undefined: another has it, or it was removed. */
  | {
      readonly kind: 'groupClaimed'
      readonly groupId: string
      readonly row: GroupRow | undefined
    }

/** Rows of one group are written in the order of the effects. */
export type GroupEffect =
  | {
      readonly kind: 'askGroup'
      readonly key: string
      readonly nodeId: string
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
    }
  | { readonly kind: 'registerGroup'; readonly row: GroupRow }
  | {
      readonly kind: 'writeGroup'
      readonly groupId: string
      readonly decision: GroupDecision
    }
  | { readonly kind: 'readGroup'; readonly groupId: string }
  | { readonly kind: 'claimGroup'; readonly row: GroupRow }
  /** The row that this node or, when it is dead, another has written. */
  | {
      readonly kind: 'removeGroupRow'
      readonly groupId: string
      readonly coordinator: Coordinator
    }
