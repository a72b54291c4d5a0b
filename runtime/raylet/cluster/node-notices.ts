// What other raylets are told of the processes of this node and of their classes (pure).
import { toHex } from '../../common/ids.ts'
import type { GuestClass } from './peer-raylet-messages.ts'
import type { SchedulingClass } from '../state.ts'
import type { Turn } from '../turn.ts'
import type { NodeNoticeEffect } from './node-events.ts'

/** What the other node must know of the class and, at first, of its owner. */
export function guestClassOf(
  turn: Turn,
  each: SchedulingClass,
  nodeId: string,
): GuestClass | undefined {
  const client = turn.state.clients.get(each.client)
  const job = turn.state.jobs.get(each.jobId)
  if (client === undefined || job === undefined) return undefined
  const { id, role, address } = client
  const isKnown = client.knownAt.get(nodeId) === 'TOLD'
  client.knownAt.set(nodeId, 'TOLD')
  const { classId, spec } = each
  const { driver, drivenAt = toHex(turn.state.config.nodeId) } = job
  return {
    ...{ client: id, classId, spec },
    ...(isKnown ? {} : { owner: { role, address, job: job.spec, driver, drivenAt } }),
  }
}

export function tellNode<K extends NodeNoticeEffect['type']>(
  turn: Turn,
  nodeId: string,
  type: K,
  message: Extract<NodeNoticeEffect, { type: K }>['message'],
): void {
  turn.effects.push({ kind: 'tellNode', nodeId, type, message } as NodeNoticeEffect)
}
