// captureChildTasks: what a task or actor in such a placement group submits runs in the group too,
// and so does what those submit. Source: Ray placement_group_capture_child_tasks.
import type { WireStrategy } from '../protocol/messages.ts'
import type { Scope } from './scope.ts'

/** What work with this strategy hands on to its own submissions: the group, any bundle. */
export function capturedBy(strategy: WireStrategy | undefined): { captured?: WireStrategy } {
  if (strategy?.kind !== 'PLACEMENT_GROUP' || !strategy.captureChildTasks) return {}
  return { captured: { ...strategy, bundleIndex: -1 } }
}

/** Where something submitted in this scope runs: only what names no place is captured. */
export function strategyIn(scope: Scope, strategy: WireStrategy): WireStrategy {
  return strategy.kind === 'DEFAULT' ? (scope.parts.captured ?? strategy) : strategy
}
