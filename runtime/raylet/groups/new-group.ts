// A placement group as the brain knows it first (pure).
import { NO_RESOURCES, addResources } from '../../common/resources.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import type { Group } from '../state.ts'
import type { Turn } from '../turn.ts'

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
