// Option values that are made by functions of the SDK: where to run, and how many at once. To the
// user they are sealed; here is what is inside.
import { UsageError } from './errors.ts'
import { fromHex, NODE_ID_BYTES } from './ids.ts'
import type { NodeId } from './ids.ts'
import {
  COUNT_MAX,
  flag,
  nameText,
  oneOf,
  option,
  readOptions,
  refuse,
  wholeNumber,
} from './option-checks.ts'
import { showValue } from './show-value.ts'
import type { Limiter, NodeAffinity, PlacementGroupStrategy } from './surface-options.ts'
import type { LimiterOptions, PlacementGroup } from './surface-cluster.ts'

/** Where work may run. */
export type SchedulingStrategy =
  | { readonly kind: 'DEFAULT' | 'SPREAD' }
  | { readonly kind: 'NODE_AFFINITY'; readonly nodeId: NodeId; readonly soft: boolean }
  | {
      readonly kind: 'PLACEMENT_GROUP'
      readonly groupId: string
      /** -1: whichever bundle of the group has room. */
      readonly bundleIndex: number
      readonly captureChildTasks: boolean
    }

export const DEFAULT_STRATEGY: SchedulingStrategy = { kind: 'DEFAULT' }

/** How many run at once, or start per second; at least one of the two. */
export interface LimitSpec {
  readonly name: string
  readonly concurrency: number | undefined
  readonly perSecond: number | undefined
}

/** Most bundles of one placement group. */
export const BUNDLES_MAX = 1000

// In the global registry, so that a value made by one copy of the package serves in the other.
const INSIDE = Symbol.for('virga.option-value')

interface Sealed {
  readonly type: 'strategy' | 'limiter'
  readonly value: SchedulingStrategy | LimitSpec
}

function seal(type: Sealed['type'], value: Sealed['value']): object {
  const sealed: Sealed = Object.freeze({ type, value: Object.freeze(value) })
  return Object.freeze(Object.defineProperty({}, INSIDE, { value: sealed }))
}

function unseal(type: Sealed['type'], value: unknown): Sealed['value'] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const sealed = (value as { readonly [INSIDE]?: Sealed })[INSIDE]
  return sealed?.type === type ? sealed.value : undefined
}

/**
 * Run on that node.
 * @param nodeId  as `nodes()` and `runtimeContext()` show it, in hex.
 * @param o  soft: elsewhere when the node is dead or too small. Default false: then
 *   TaskUnschedulableError or ActorUnschedulableError.
 * @throws UsageError for what is no node id.
 */
export function nodeAffinity(nodeId: string, o?: { soft?: boolean }): NodeAffinity {
  const hex = new RegExp(`^[0-9a-f]{${NODE_ID_BYTES * 2}}$`)
  if (typeof nodeId !== 'string' || !hex.test(nodeId)) {
    refuse('nodeId', `a node id as nodes() shows it, ${NODE_ID_BYTES * 2} hex digits`, nodeId)
  }
  const given = readOptions(o, 'nodeAffinity()', { soft: true })
  const soft = option(given, 'soft', flag) ?? false
  return seal('strategy', {
    kind: 'NODE_AFFINITY',
    nodeId: fromHex(nodeId) as NodeId,
    soft,
  }) as NodeAffinity
}

/**
 * Run in a placement group.
 * @param o  bundleIndex: which bundle, from 0; default -1, any. captureChildTasks: what the task
 *   submits runs in the group too; default false.
 * @throws UsageError for what is no group, or a bundle that it does not have.
 */
export function inPlacementGroup(
  pg: PlacementGroup,
  o?: { bundleIndex?: number; captureChildTasks?: boolean },
): PlacementGroupStrategy {
  const given = readOptions(o, 'inPlacementGroup()', { bundleIndex: true, captureChildTasks: true })
  const { id, bundles } = (pg ?? {}) as Partial<PlacementGroup>
  if (typeof id !== 'string' || !Array.isArray(bundles)) {
    return refuse('the placement group', 'what placementGroup() returns', pg)
  }
  const count = bundles.length
  const bundleIndex = option(given, 'bundleIndex', wholeNumber(-1, count - 1)) ?? -1
  const captureChildTasks = option(given, 'captureChildTasks', flag) ?? false
  return seal('strategy', {
    kind: 'PLACEMENT_GROUP',
    groupId: id,
    bundleIndex,
    captureChildTasks,
  }) as PlacementGroupStrategy
}

/** What limiter() gives, checked. @throws UsageError for a wrong name or number, or none. */
export function sealLimiter(name: string, o: LimiterOptions): Limiter {
  const given = readOptions(o, 'limiter()', { concurrency: true, perSecond: true })
  const spec: LimitSpec = {
    name: nameText('the name of a limiter', name),
    concurrency: option(given, 'concurrency', wholeNumber(1)),
    perSecond: option(given, 'perSecond', rate),
  }
  if (spec.concurrency === undefined && spec.perSecond === undefined) {
    throw new UsageError(`limiter(${showValue(name)}) needs concurrency, perSecond or both`)
  }
  return seal('limiter', spec) as Limiter
}

function rate(label: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= COUNT_MAX) return value
  return refuse(label, `a number above 0 and up to ${COUNT_MAX}`, value)
}

/** The strategy of an option `schedulingStrategy`. */
export function strategyOf(label: string, value: unknown): SchedulingStrategy {
  const sealed = unseal('strategy', value)
  if (sealed !== undefined) return sealed as SchedulingStrategy
  if (typeof value === 'string') return { kind: oneOf('DEFAULT', 'SPREAD')(label, value) }
  return refuse(label, "'DEFAULT', 'SPREAD', nodeAffinity(...) or inPlacementGroup(...)", value)
}

/** The limit of an option `limit`. */
export function limitOf(label: string, value: unknown): LimitSpec {
  const sealed = unseal('limiter', value)
  return sealed === undefined
    ? refuse(label, 'what limiter(name, { ... }) returns', value)
    : (sealed as LimitSpec)
}
