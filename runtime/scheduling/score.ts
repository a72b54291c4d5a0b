// How used a node is, for placement: the share in use of its scarcest resource, 0 to 1.
import type { NodeView } from './cluster-view.ts'

/** `hybrid`: below one half all count as unused, so that work is packed; `exact`: as it is. */
export type Scoring = 'hybrid' | 'exact'

/** Utilisation below this counts as none. Source: Ray scheduler_spread_threshold = 0.5. */
const SPREAD_THRESHOLD = 0.5

export function scoreOf(node: NodeView, scoring: Scoring): number {
  let worst = 0
  for (const name in node.totals) {
    const total = node.totals[name] ?? 0
    if (total > 0) worst = Math.max(worst, 1 - (node.free[name] ?? 0) / total)
  }
  return scoring === 'exact' || worst >= SPREAD_THRESHOLD ? worst : 0
}
