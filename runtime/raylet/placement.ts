// Whether this node can ever hold a demand, and from which ledger it is taken: the node's own, or
// that of a placement group's bundle. Placement itself is scheduling/place.ts.
import {
  ActorUnschedulableError,
  InfeasibleError,
  NodeDiedError,
  PlacementGroupRemovedError,
  TaskUnschedulableError,
  type VirgaError,
} from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import { NODE_ID_LABEL } from '../common/label-selector.ts'
import type { Random } from '../common/random.ts'
import type { ResourceLedger } from '../common/resource-ledger.ts'
import { fits, toResources, type ResourceSet } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { ClusterView, type NodeView } from '../scheduling/cluster-view.ts'
import { place } from '../scheduling/place.ts'
import type { Client, RayletState } from './state.ts'
import type { Bundle, Group } from './groups/group.ts'

/** With one node there is nothing to draw. */
const noChoice: Pick<Random, 'next'> = { next: () => 0 }

/** This node as placement sees it. */
export function ownNodeView({ config, ledger }: RayletState): NodeView {
  const nodeId = toHex(config.nodeId)
  const labels = { ...config.labels, [NODE_ID_LABEL]: nodeId }
  return { nodeId, totals: config.totals, free: ledger.free, labels }
}

/** Brings that up to date. Once this node drains it is gone, for what asks for nothing too (DR1). */
export function seeOwnNode(state: RayletState, view: ClusterView): void {
  const own = ownNodeView(state)
  if (state.draining) view.delete(own.nodeId)
  else view.set(own)
}

/** This node alone: groups stay where they were made. */
export function clusterView(state: RayletState): ClusterView {
  const view = new ClusterView([], toHex(state.config.nodeId))
  seeOwnNode(state, view)
  return view
}

/**
 * The reason (reason.ts) why this demand cannot be placed, now or later; undefined when it can.
 * @param who  an actor's error for hard affinity is another one than a task's.
 */
export function judge(
  state: RayletState,
  spec: ClassSpec,
  who: 'task' | 'actor',
): VirgaError | undefined {
  const { strategy } = spec
  const { draining } = state
  if (draining && (who === 'actor' || strategy.kind === 'PLACEMENT_GROUP')) return nodeDrains()
  if (strategy.kind === 'PLACEMENT_GROUP') return judgeInGroup(state, spec, strategy)
  const demand = { resources: spec.demand, labelSelectors: spec.labelSelectors }
  const view = state.cluster?.view ?? clusterView(state)
  const placement = place(demand, view, strategy, noChoice)
  if (placement.kind === 'PLACE' || placement.kind === 'WAIT') return undefined
  if (draining) return nodeDrains()
  switch (placement.kind) {
    case 'INFEASIBLE':
      return new InfeasibleError(
        `can never run here: ${placement.nearest}. ` +
          'Ask for less, or start the cluster with more.',
        { data: { requested: toResources(spec.demand), nearest: placement.nearest } },
      )
    case 'UNSCHEDULABLE':
      return unschedulable(spec, who, placement.reason)
  }
}

/**
 * The same of a task of that process. Where this node drains, only its own workers have leases
 * elsewhere (DR3): guests ask by themselves, and a driver ends with its node.
 */
export function judgeTask(
  state: RayletState,
  { role, link }: Pick<Client, 'role' | 'link'>,
  spec: ClassSpec,
): VirgaError | undefined {
  const isOwnWorker = role === 'worker' && link === undefined
  if (!state.draining || isOwnWorker) return judge(state, spec, 'task')
  const isBound = spec.strategy.kind === 'NODE_AFFINITY' && !spec.strategy.soft
  if (link === undefined || !isBound) return nodeDrains()
  return unschedulable(spec, 'task', `node ${toHex(state.config.nodeId)} is being shut down`)
}

/** Whether what judge() said may have changed: it rests on what is fixed, but for these. */
export const mayBeJudgedAnew = (state: RayletState, { strategy }: ClassSpec): boolean =>
  state.draining || strategy.kind === 'PLACEMENT_GROUP'

function unschedulable(spec: ClassSpec, who: 'task' | 'actor', reason: string): VirgaError {
  const message =
    `is bound to a node that cannot take it: ${reason}. ` +
    'Choose a living node, or give { soft: true } to run elsewhere.'
  const options = { data: { requested: toResources(spec.demand), reason } }
  return who === 'actor'
    ? new ActorUnschedulableError(message, options)
    : new TaskUnschedulableError(message, options)
}

function judgeInGroup(
  state: RayletState,
  spec: ClassSpec,
  strategy: { readonly groupId: string; readonly bundleIndex: number },
): VirgaError | undefined {
  const group = state.groups.get(strategy.groupId)
  // Of several nodes, another may coordinate it: that is looked up, and it waits meanwhile.
  if (group === undefined) {
    return state.cluster === undefined ? groupRemoved(strategy.groupId) : undefined
  }
  const bundles = group.spec.bundles
  const candidates = fittingBundles(group, strategy.bundleIndex, spec.demand)
  if (candidates.length > 0) {
    const { places, error } = group.across ?? { places: [], error: undefined }
    const isLost = error !== undefined && candidates.every((index) => places[index] === null)
    return isLost ? lostForGood(error) : undefined
  }
  const where =
    strategy.bundleIndex < 0 ? 'no bundle' : `bundle ${String(strategy.bundleIndex)} never`
  return new InfeasibleError(
    `does not fit into its placement group: ${where} holds it. ` +
      'Make a bundle at least as large as the demand.',
    { data: { requested: toResources(spec.demand), nearest: bundles.map(toResources) } },
  )
}

/** Those that could ever hold it, by index. @param bundleIndex  below 0: all of its group. */
export function fittingBundles(
  { spec: { bundles } }: Group,
  bundleIndex: number,
  demand: ResourceSet,
): number[] {
  return bundles.flatMap((bundle, index) =>
    (bundleIndex < 0 || bundleIndex === index) && fits(demand, bundle) ? [index] : [],
  )
}

function lostForGood(error: VirgaError): InfeasibleError {
  return new InfeasibleError(
    `needs bundles that were lost with their node and can be had nowhere else: ${error.message}`,
    { data: error.data },
  )
}

export function groupRemoved(groupId: string): PlacementGroupRemovedError {
  return new PlacementGroupRemovedError(
    'belongs to a placement group that was removed, or that can never be reserved (its ' +
      'ready() says so); make a new group and submit it again',
    { data: { groupId } },
  )
}

/** What who waits for the group itself hears. */
export function groupIsGone(name: string, groupId: string): PlacementGroupRemovedError {
  return new PlacementGroupRemovedError(
    `placement group ${name} was removed, or can never be reserved; make a new one`,
    { data: { groupId } },
  )
}

/** What work fails with that a draining node does not take. */
export function nodeDrains(): NodeDiedError {
  return new NodeDiedError(
    'cannot run: its node is being shut down and takes no more work. Submit it where a node ' +
      'stays, and not bound to this one; where none does, start a cluster again.',
    { data: { draining: true } },
  )
}

/** The bundles here that a demand may draw from now; undefined: not bound to a group. */
export function bundlesOf(
  state: RayletState,
  { strategy }: Pick<ClassSpec, 'strategy'>,
): readonly Bundle[] | undefined {
  if (strategy.kind !== 'PLACEMENT_GROUP') return undefined
  const group: Group | undefined = state.groups.get(strategy.groupId)
  if (group === undefined) return []
  if (strategy.bundleIndex < 0) return group.bundles
  return group.bundles.filter((bundle) => bundle.index === strategy.bundleIndex)
}

/** Where a demand may be taken from now; none while its group is not reserved. */
export function ledgersOf(
  state: RayletState,
  spec: Pick<ClassSpec, 'strategy'>,
): readonly ResourceLedger[] {
  return bundlesOf(state, spec)?.map((bundle) => bundle.ledger) ?? [state.ledger]
}
