// Where work goes that is bound to a placement group (pure): to the nodes that hold bundles which
// are large enough. It waits at each of them, in turn there; what more is granted than is wanted
// goes back at once.
import { toHex } from '../../common/ids.ts'
import type { ClassSpec } from '../../protocol/messages.ts'
import { fittingBundles } from '../placement.ts'
import type { RayletState } from '../state.ts'

/**
 * The nodes where a demand bound to a group may be placed now, this one first if it is among them,
 * in hex. None: its group is not reserved, not known here yet, or has lost those bundles.
 */
export function holdersFor(
  { cluster, config, groups }: Pick<RayletState, 'cluster' | 'config' | 'groups'>,
  { strategy, demand }: Pick<ClassSpec, 'strategy' | 'demand'>,
): readonly string[] {
  if (cluster === undefined || strategy.kind !== 'PLACEMENT_GROUP') return []
  const group = groups.get(strategy.groupId)
  if (group?.across === undefined || group.state === 'PENDING') return []
  const own = toHex(config.nodeId)
  const holders = new Set<string>()
  for (const index of fittingBundles(group, strategy.bundleIndex, demand)) {
    const nodeId = group.across.places[index] ?? null
    if (nodeId !== null) holders.add(nodeId)
  }
  return holders.delete(own) ? [own, ...holders] : [...holders]
}
