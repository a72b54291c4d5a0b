// Who hears of a group that this node coordinates: nodes that hold bundles of it or watch it are
// told of each change until they have heard (GC2 of group-coordinator.ts).
import { assert } from '../../common/assert.ts'
import { toWire } from '../../common/error-wire.ts'
import { toHex } from '../../common/ids.ts'
import type { VirgaError } from '../../common/errors.ts'
import type { GroupTold } from './group-messages.ts'
import { owe } from './group-outbox.ts'
import type { ClusterGroups, Coordinated } from './group-state.ts'
import type { Group } from './group.ts'
import type { Turn } from '../turn.ts'

export const ownId = ({ state }: Turn): string => toHex(state.config.nodeId)

/** A new version of it, told to all. */
export function publish(
  turn: Turn,
  groups: ClusterGroups,
  { group, watchers }: Pick<Coordinated, 'group' | 'watchers'>,
  { error }: { readonly error: VirgaError | undefined },
): void {
  const { across } = group
  const each = groups.coordinated.get(group.spec.groupId)
  assert(across !== undefined && each !== undefined, 'GC2: a group that is not coordinated here')
  const places = each.reservation.parts.map(({ state, nodeId }) =>
    state === 'COMMITTED' ? nodeId : null,
  )
  group.across = { ...across, places, version: across.version + 1, error }
  for (const nodeId of places) {
    if (nodeId !== null && nodeId !== ownId(turn)) watchers.add(nodeId)
  }
  tellWatchers(turn, groups, { watchers, told: toldOf(group) })
}

export function tellWatchers(
  turn: Turn,
  groups: ClusterGroups,
  { watchers, told }: { readonly watchers: ReadonlySet<string>; readonly told: GroupTold },
): void {
  const subject = told.spec.groupId
  for (const nodeId of watchers) {
    owe(turn, groups, { nodeId, type: 'groupChanged', message: told, subject })
  }
}

/** As others are told of it. */
export function toldOf({ spec, state, across }: Group, why?: VirgaError): GroupTold {
  assert(across !== undefined, 'a group of this node alone is told to nobody')
  const { places, term, version } = across
  const error = why ?? across.error
  return { spec, state, places, term, version, ...(error ? { error: toWire(error) } : {}) }
}
