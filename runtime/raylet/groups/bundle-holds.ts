// Bundles of placement groups that this node holds for a coordinator, which may be itself (pure).
//                prepare               commit
//   nothing held ────────► PREPARED ──────────────► COMMITTED
//        ▲                    │ returned; the          │ returned; the coordinator
//        │                    │ connection closed;     │ is dead
//        └────────────────────┴─ its time is over ─────┘
// Invariants:
//   BH1. The bundles of one attempt are taken all or none.
//   BH2. A bundle is held by one attempt: a later one replaces an earlier one, which is refused.
//   BH3. What is PREPARED lives no longer than the connection by which it was asked for, nor than
//        PREPARED_MS: a coordinator that is gone or hangs leaves nothing taken.
//   BH4. Every message may arrive twice and changes nothing the second time.
// Source: Ray placement_group_resource_manager.h (prepare, commit, return).
import type { Allocation, ResourceLedger } from '../../common/resource-ledger.ts'
import type { GroupSpec } from '../../protocol/messages.ts'

/** Longer than a decision in the GCS takes, and shorter than anybody waits for resources. */
const PREPARED_MS = 30_000

export interface Hold {
  readonly index: number
  readonly attempt: number
  readonly allocation: Allocation
  phase: 'PREPARED' | 'COMMITTED'
  /** The connection of the coordinator; undefined: it is this node. */
  link: number | undefined
  readonly heldSinceMs: number
}

export interface GroupHolds {
  readonly spec: GroupSpec
  /** By index; never empty. */
  readonly bundles: Map<number, Hold>
}

export interface Holds {
  readonly ledger: ResourceLedger
  readonly groups: Map<string, GroupHolds>
}

export const createHolds = (ledger: ResourceLedger): Holds => ({ ledger, groups: new Map() })

export const allHolds = ({ groups }: Holds): Hold[] =>
  [...groups.values()].flatMap(({ bundles }) => [...bundles.values()])

export interface Preparing {
  readonly spec: GroupSpec
  readonly attempt: number
  readonly indices: readonly number[]
  readonly link: number | undefined
  readonly nowMs: number
}

/**
 * @returns whether they are held for that attempt now, and what an earlier one held of them until
 *   now: its users must end.
 */
export function prepare(
  holds: Holds,
  { spec, attempt, indices, link, nowMs }: Preparing,
): { readonly prepared: boolean; readonly replaced: readonly Hold[] } {
  const known = holds.groups.get(spec.groupId)?.bundles
  const held = indices.flatMap((index) => known?.get(index) ?? [])
  if (held.some((hold) => hold.attempt > attempt)) return { prepared: false, replaced: [] } // BH2
  const same = held.filter((hold) => hold.attempt === attempt)
  if (same.length === indices.length) {
    for (const hold of same) hold.link = link // BH4
    return { prepared: true, replaced: [] }
  }
  const replaced = release(holds, spec.groupId, (hold) => held.includes(hold))
  const taken = allocateAll(holds.ledger, spec, indices)
  if (taken === undefined) return { prepared: false, replaced }
  const group = holds.groups.get(spec.groupId) ?? { spec, bundles: new Map<number, Hold>() }
  holds.groups.set(spec.groupId, group)
  for (const [index, allocation] of taken) {
    const hold = { index, attempt, allocation, link, heldSinceMs: nowMs }
    group.bundles.set(index, { ...hold, phase: 'PREPARED' })
  }
  return { prepared: true, replaced }
}

/** BH1. */
function allocateAll(
  ledger: ResourceLedger,
  spec: GroupSpec,
  indices: readonly number[],
): Map<number, Allocation> | undefined {
  const taken = new Map<number, Allocation>()
  for (const index of indices) {
    const allocation = ledger.allocate(spec.bundles[index] ?? {})
    if (allocation === undefined) {
      for (const each of taken.values()) ledger.release(each)
      return undefined
    }
    taken.set(index, allocation)
  }
  return taken
}

/** @returns those that can be drawn from by now; undefined: nothing of that attempt is held. */
export function commit(
  holds: Holds,
  { groupId, attempt }: { readonly groupId: string; readonly attempt: number },
): { readonly spec: GroupSpec; readonly fresh: readonly Hold[] } | undefined {
  const group = holds.groups.get(groupId)
  const held = [...(group?.bundles.values() ?? [])].filter((hold) => hold.attempt === attempt)
  if (group === undefined || held.length === 0) return undefined
  const fresh = held.filter(({ phase }) => phase === 'PREPARED')
  for (const hold of fresh) {
    hold.phase = 'COMMITTED'
    hold.link = undefined
  }
  return { spec: group.spec, fresh }
}

/** @param attempt  undefined: whatever is held of the group. @returns what is free now. */
export const giveBack = (
  holds: Holds,
  { groupId, attempt }: { readonly groupId: string; readonly attempt?: number | undefined },
): readonly Hold[] =>
  release(holds, groupId, (hold) => attempt === undefined || hold.attempt === attempt)

/** BH3: the connection has closed. */
export function linkClosed(holds: Holds, link: number): void {
  for (const groupId of [...holds.groups.keys()]) {
    release(holds, groupId, (hold) => hold.phase === 'PREPARED' && hold.link === link)
  }
}

const overMs = ({ heldSinceMs }: Hold): number => heldSinceMs + PREPARED_MS

/** BH3. @returns when the next is to be given back, at the earliest; Infinity: nothing is. */
export function expire(holds: Holds, nowMs: number): number {
  let nextMs = Infinity
  for (const [groupId, { bundles }] of [...holds.groups]) {
    release(holds, groupId, (hold) => hold.phase === 'PREPARED' && overMs(hold) <= nowMs)
    for (const hold of bundles.values()) {
      if (hold.phase === 'PREPARED') nextMs = Math.min(nextMs, overMs(hold))
    }
  }
  return nextMs
}

function release(holds: Holds, groupId: string, which: (hold: Hold) => boolean): Hold[] {
  const group = holds.groups.get(groupId)
  if (group === undefined) return []
  const released = [...group.bundles.values()].filter(which)
  for (const hold of released) {
    group.bundles.delete(hold.index)
    holds.ledger.release(hold.allocation)
  }
  if (group.bundles.size === 0) holds.groups.delete(groupId)
  return released
}
