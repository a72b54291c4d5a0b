// What is said to other nodes about placement groups, and must arrive (pure): asked again until it
// is answered, or the node is gone. Of what replaces an earlier word, only the latest is said.
// What a node is owed is bounded: by what it holds, watches and was asked for, once each.
import { wakeBy, type Turn } from '../turn.ts'
import type { GroupCall, GroupCalls } from './group-messages.ts'
import type { ClusterGroups, Owed } from './group-state.ts'

/** After one that was not answered. */
const REPEAT_MS = 500

export interface Owing<K extends GroupCall> {
  readonly nodeId: string
  readonly type: K
  readonly message: GroupCalls[K][0]
  /** What it is about: a later one of the same type, node and subject replaces it. */
  readonly subject: string
  readonly request?: number
}

export function owe<K extends GroupCall>(
  turn: Turn,
  { owed }: ClusterGroups,
  { nodeId, type, message, subject, request }: Owing<K>,
): void {
  const key = `${type} ${nodeId} ${subject}${request === undefined ? '' : ` #${String(request)}`}`
  const known = owed.get(key)
  if (known !== undefined) {
    known.message = message
    known.changed = known.asked
    return
  }
  const made: Owed = {
    ...{ key, nodeId, type, message, request },
    ...{ asked: false, changed: false, atMs: turn.nowMs },
  }
  owed.set(key, made)
  ask(turn, made)
}

function ask(turn: Turn, each: Owed): void {
  each.asked = true
  const { key, nodeId, type, message } = each
  turn.effects.push({ kind: 'askGroup', key, nodeId, type, message })
}

/** @returns what was owed and is paid by that answer; undefined: it goes once more, or is gone. */
export function settle(
  turn: Turn,
  { owed }: ClusterGroups,
  { key, answered }: { readonly key: string; readonly answered: boolean },
): Owed | undefined {
  const each = owed.get(key)
  if (each === undefined) return undefined
  each.asked = false
  if (!answered) {
    each.atMs = turn.nowMs + REPEAT_MS
    wakeBy(turn, each.atMs)
    return undefined
  }
  if (each.changed) {
    each.changed = false
    ask(turn, each)
    return undefined
  }
  owed.delete(key)
  return each
}

/** On a tick. */
export function repeatOwed(turn: Turn, { owed }: ClusterGroups): void {
  for (const each of owed.values()) {
    if (each.asked) continue
    if (each.atMs <= turn.nowMs) ask(turn, each)
    else wakeBy(turn, each.atMs)
  }
}

/** That node is gone. @returns what will not be answered. */
export function forgetOwed({ owed }: ClusterGroups, nodeId: string): Owed[] {
  const lost = [...owed.values()].filter((each) => each.nodeId === nodeId)
  for (const { key } of lost) owed.delete(key)
  return lost
}
