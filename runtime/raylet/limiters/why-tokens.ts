// Why tasks wait for a token over all nodes (pure): as the keeper says of each limiter, for all;
// else what the node says that asks it.
import { toHex } from '../../common/ids.ts'
import type { StateRow } from '../../protocol/messages.ts'
import { isSuspected, type ClusterState } from '../cluster/cluster-state.ts'
import { listed } from '../listed-nodes.ts'
import type { RayletState } from '../state.ts'
import type { Kept } from './limiters-of-nodes.ts'
import { sumOf, type LimiterNumbers } from './token-bucket.ts'

/** `3 at once and 5 per second`. */
const showNumbers = ({ concurrency, perSecond }: LimiterNumbers): string =>
  [
    ...(concurrency === Infinity ? [] : [`${String(concurrency)} at once`]),
    ...(perSecond === Infinity ? [] : [`${String(perSecond)} per second`]),
  ].join(' and ')

/** On a node that asks: all it knows is whether the keeper answers. */
export function whyTokens(cluster: ClusterState, limiter: LimiterNumbers): string {
  const { keeper } = cluster.limiters
  const allows = `its limiter allows ${showNumbers(limiter)} over all nodes`
  if (keeper === undefined || !isSuspected(cluster, keeper)) return allows
  return (
    `${allows}, and node ${keeper}, which gives them out, does not answer: ` +
    'once it is dead another does'
  )
}

/** On the keeper: a row for each limiter that is waited for, to be put into those of all nodes. */
export function whyKept(state: RayletState, cluster: ClusterState, nowMs: number): StateRow[] {
  const { kept } = cluster.limiters
  if (kept === undefined) return []
  const silent = whySilent(state, cluster, nowMs)
  return [...kept.limiters.values()].flatMap((limiter) => {
    if (sumOf(limiter.wanted) <= 0) return []
    const allows = `its limiter allows ${showNumbers(limiter)} over all nodes`
    const why = silent ?? whereOut(limiter.out, cluster)
    return [{ kind: KEEPER, name: limiter.name, why: why === '' ? allows : `${allows}${why}` }]
  })
}

const KEEPER = 'keeper'

/** @param rows  of all nodes. @returns the same, where the keeper has said why with its words. */
export function asKeeperSays(rows: readonly StateRow[]): readonly StateRow[] {
  const says = rows.filter(({ kind }) => kind === KEEPER)
  if (says.length === 0) return rows
  const words = new Map(says.map(({ name, why }) => [name, why]))
  return rows
    .filter(({ kind }) => kind !== KEEPER)
    .map((row) => {
      const why = row['kind'] === 'limiter' ? words.get(row['name']) : undefined
      return why === undefined ? row : { ...row, why }
    })
}

/** Why nothing at all is given out: LK1. */
function whySilent(
  state: RayletState,
  { limiters: { kept } }: ClusterState,
  nowMs: number,
): string | undefined {
  const own = toHex(state.config.nodeId)
  if (nowMs >= state.leaseUntilMs) {
    return (
      `, and none is given out: the GCS has not answered node ${own}, ` +
      'which does that, for too long'
    )
  }
  const missing = kept === undefined ? [] : missingIn(kept, own)
  if (kept === undefined || missing.length === 0) return undefined
  const seconds = Math.round((nowMs - (kept.waitsSinceMs ?? nowMs)) / 1000)
  return (
    `, and none is given out until ${listed(missing)} has said what it holds, or is dead: ` +
    `asked for ${String(seconds)} s`
  )
}

/** Those that have told nothing yet. */
export const missingIn = ({ nodes, members }: Kept, own: string): string[] =>
  [own, ...members.keys()].filter((nodeId) => !nodes.has(nodeId))

function whereOut(out: ReadonlyMap<string, number>, cluster: ClusterState): string {
  const holders = [...out].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a)
  if (holders.length === 0) return ''
  const suspected = holders.filter(([nodeId]) => isSuspected(cluster, nodeId))
  const all = `, of which ${String(sumOf(out))} are out`
  if (suspected.length === 0) return all
  const held = String(suspected.reduce((sum, [, count]) => sum + count, 0))
  const nodes = listed(suspected.map(([nodeId]) => nodeId))
  return (
    `${all}, ${held} of them at ${nodes}, which does not answer: ` +
    'they count until it does, or is dead'
  )
}
