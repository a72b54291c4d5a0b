// A placement group and its bundles, as the brain of one node knows them: plain data, changed by
// step() alone.
import type { ResourceLedger, Allocation } from '../../common/resource-ledger.ts'
import { NO_RESOURCES, addResources, type ResourceSet } from '../../common/resources.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import type { Turn } from '../turn.ts'
import type { GroupAcross } from './group-state.ts'

export interface Bundle {
  readonly group: Group
  readonly index: number
  readonly resources: ResourceSet
  readonly allocation: Allocation
  readonly ledger: ResourceLedger
  readonly heldSinceMs: number
}

export interface Group {
  readonly spec: GroupSpec
  /** All bundles together. */
  readonly demand: ResourceSet
  /** Of its bundles: groups of one shape can be reserved or not together. */
  readonly shape: string
  state: 'PENDING' | 'CREATED' | 'RESCHEDULING' | 'REMOVED'
  /** Those that lie here and can be drawn from. */
  bundles: Bundle[]
  /** Undefined where the cluster is this node alone. */
  across: GroupAcross | undefined
  waitingSinceMs: number
  /** awaitGroup requests to answer. */
  readonly awaiting: number[]
}

/** @param coordinator  in hex; undefined: the cluster is this node alone. */
export function newGroup(turn: Turn, spec: GroupSpec, coordinator?: string): Group {
  const places = spec.bundles.map(() => null)
  return {
    spec,
    demand: spec.bundles.reduce(addResources, NO_RESOURCES),
    shape: `group ${JSON.stringify(spec.bundles)}`,
    state: 'PENDING',
    bundles: [],
    across:
      coordinator === undefined
        ? undefined
        : { coordinator, places, term: 0, version: -1, error: undefined },
    waitingSinceMs: turn.nowMs,
    awaiting: [],
  }
}
