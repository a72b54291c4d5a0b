// Whether this node has room again for what may wait elsewhere (pure): those that heard that it has
// none are told at once (GO5). To be called after every step, when who waits here was served.
import { shortOf } from '../../scheduling/gossip.ts'
import type { Turn } from '../turn.ts'
import type { ClusterState } from './cluster-state.ts'

export function seeOwnRoom({ state, effects }: Turn, cluster: ClusterState): void {
  const short = shortOf(state.ledger.free, state.config.totals)
  const hasRoomAgain = cluster.shortOf.some((name) => !short.includes(name))
  cluster.shortOf = short
  if (hasRoomAgain) effects.push({ kind: 'hasRoomAgain' })
}
