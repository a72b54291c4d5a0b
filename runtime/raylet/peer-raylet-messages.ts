// What raylets say to each other, as types, and what each message must look like (pure). The other
// end has proved which node it is; what it says is checked all the same: a node of another version
// must not leave this one half changed.
import { ProtocolError } from '../common/errors.ts'
import { count, flag, misfit, object, oneOf, optional, text, type Fields } from '../common/shape.ts'
import { showValue } from '../common/show-value.ts'
import type { StorageCalls } from '../gcs/storage-messages.ts'
import type { Suspicion } from '../gcs/watcher.ts'
import type { RayletCalls } from '../protocol/messages.ts'

/** Requests: [message, reply]. */
export interface PeerRayletCalls extends StorageCalls {
  ping: [object, undefined]
  /** Rows of that node alone. */
  state: RayletCalls['state']
  /** The whole cluster ends. Answered before that node does. */
  stopCluster: [object, undefined]
}

export interface PeerRayletNotices {
  /** What one watcher of a node says to the others. */
  suspicion: Suspicion
}

const method = oneOf('get', 'query', 'putIf', 'update', 'delete', 'append', 'transact')

const CALLS: Readonly<Record<keyof PeerRayletCalls, Fields>> = {
  ping: {},
  state: { kind: text, limit: optional(count) },
  stopCluster: {},
  storage: {
    ...{ client: text, sequence: count, endedBelow: count },
    call: (call) => object(call) && method(call['kind']) && Array.isArray(call['args']),
  },
}

const NOTICES: Readonly<Record<keyof PeerRayletNotices, Fields>> = {
  suspicion: { nodeId: text, epoch: count, gone: flag, blind: flag },
}

/** A message of another node. */
export interface PeerMessage {
  /** Hex. */
  readonly from: string
  readonly type: string
  readonly message: object
}

/** @throws ProtocolError that names the node and what it sent. */
export function checkPeerMessage(
  what: 'call' | 'notice',
  { from, type, message }: PeerMessage,
): void {
  const all: Readonly<Record<string, Fields>> = what === 'call' ? CALLS : NOTICES
  const fields = Object.hasOwn(all, type) ? all[type] : undefined
  const field = fields === undefined ? undefined : misfit(fields, message)
  if (fields !== undefined && field === undefined) return
  const wrong =
    field === undefined
      ? 'which is not known here'
      : `whose ${field} cannot be ${showValue((message as Record<string, unknown>)[field])}`
  throw new ProtocolError(
    `node ${from} sent the ${what} '${type}', ${wrong}. Use the same version of virga on all nodes.`,
    { data: { from, type, field } },
  )
}
