// What raylets ask of each other about placement groups, as types and as shapes (pure). Each may be
// asked again when it was not answered: see group-outbox.ts.
import type { WireError } from '../../common/error-wire.ts'
import { count, listOf, nullOr, object, oneOf, optional, text } from '../../common/shape.ts'
import { shape, type Fields } from '../../common/shape.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import type { NodeLoad } from '../../scheduling/cluster-view.ts'
import { groupFields } from '../message-schema.ts'

/** A group as its coordinator tells it. */
export interface GroupTold {
  readonly spec: GroupSpec
  readonly state: 'PENDING' | 'CREATED' | 'RESCHEDULING' | 'REMOVED'
  /** The node of each bundle, in hex; null: it lies nowhere now. */
  readonly places: readonly (string | null)[]
  /** What is said later counts: by term (how often it was taken over), then by version. */
  readonly term: number
  readonly version: number
  /** Why it can never be whole as the nodes are, or why it was removed. */
  readonly error?: WireError
}

export interface BundlesAsked {
  readonly spec: GroupSpec
  readonly attempt: number
  readonly indices: readonly number[]
  /** For how long the group has waited: it goes before those that were asked for later. */
  readonly waitedMs: number
}

/** Requests: [message, reply]. */
export interface GroupCalls {
  /** To the node that drives the job: it coordinates the job's groups. */
  createGroup: [GroupSpec, { readonly error?: WireError; readonly isElsewhere: boolean }]
  /** To its coordinator. */
  removeGroup: [{ readonly groupId: string }, object]
  /** To its coordinator, which tells the asker of all changes from then on. */
  watchGroup: [{ readonly groupId: string }, { readonly group?: GroupTold }]
  groupChanged: [GroupTold, object]
  /** Its coordinator is dead, and the one that is asked is to take it over. */
  adoptGroup: [{ readonly groupId: string }, object]
  /** With what is free there by then. */
  prepareBundles: [BundlesAsked, { readonly prepared: boolean; readonly load: NodeLoad }]
  commitBundles: [
    { readonly groupId: string; readonly attempt: number },
    { readonly committed: boolean },
  ]
  /** Without attempt: all that is held of the group, which was removed. */
  returnBundles: [
    { readonly groupId: string; readonly attempt?: number },
    { readonly load: NodeLoad },
  ]
}

export type GroupCall = keyof GroupCalls

const groupId = { groupId: text }

export const GROUP_CALLS: Readonly<Record<GroupCall, Fields>> = {
  createGroup: groupFields,
  removeGroup: groupId,
  watchGroup: groupId,
  groupChanged: {
    spec: shape(groupFields),
    state: oneOf('PENDING', 'CREATED', 'RESCHEDULING', 'REMOVED'),
    ...{ places: listOf(nullOr(text)), term: count, version: count, error: optional(object) },
  },
  adoptGroup: groupId,
  prepareBundles: {
    spec: shape(groupFields),
    attempt: count,
    indices: listOf(count),
    waitedMs: count,
  },
  commitBundles: { ...groupId, attempt: count },
  returnBundles: { ...groupId, attempt: optional(count) },
}

export const isGroupCall = (type: string): type is GroupCall => Object.hasOwn(GROUP_CALLS, type)
