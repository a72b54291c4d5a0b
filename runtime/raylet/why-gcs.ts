// What waits for the GCS while that does not answer this node (pure).
import { HEARTBEAT_MS, LEASE_MARGIN_MS, LEASE_MS } from '../gcs/lease-terms.ts'
import type { StateRow } from '../protocol/messages.ts'
import type { RayletState } from './state.ts'

/** Since its last answer, of which there is one with each heartbeat. */
const SILENT_MS = HEARTBEAT_MS + 2_000

export function whyGcs(state: RayletState, nowMs: number): StateRow[] {
  const answeredAtMs = state.leaseUntilMs - (LEASE_MS - LEASE_MARGIN_MS)
  const silentMs = Math.round(nowMs - answeredAtMs)
  // Where there is one node, and before a node has arrived, that is not finite.
  if (!Number.isFinite(silentMs) || silentMs < SILENT_MS) return []
  const actors = [...state.actors.values()].filter(({ registering }) => registering)
  return [
    { kind: 'node', name: '', count: 1, demand: {}, waitedMs: silentMs, why: NODE },
    ...actors.map(({ spec }) => {
      const { className: name, scheduling } = spec
      return {
        kind: 'actor',
        name,
        count: 1,
        demand: scheduling.demand,
        waitedMs: null,
        why: ACTOR,
      }
    }),
  ]
}

const NODE = 'the GCS does not answer it: new actors, groups, names and nodes wait until it does'
const ACTOR = 'the GCS, which is to have its row, does not answer'
