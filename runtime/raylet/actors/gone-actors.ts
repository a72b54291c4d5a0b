// What a node tells of actors that are dead: of its own, and of those whose node died, where this
// one has ended them in their rows. It keeps the newest DEAD_ACTORS_MAX (state.ts).
import { toWire } from '../../common/error-wire.ts'
import { ActorDiedError, ActorNotFoundError } from '../../common/errors.ts'
import { toHex } from '../../common/ids.ts'
import { remember } from './actor-end.ts'
import type { GoneActor } from './actor-events.ts'
import { newActor } from './actor-state.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import type { RayletState } from '../state.ts'
import type { EventOf, Turn } from '../turn.ts'

/** Its node died, and this one has said in its row that it does not come back. */
export function actorBuried(turn: Turn, event: EventOf<'actorBuried'>): void {
  const { made, incarnation, from, death } = event
  const { state } = turn
  const { actorId, className } = made.spec
  if (state.actors.has(actorId)) return
  const spec = { ...made.spec, args: new Uint8Array() }
  const actor = newActor(turn, { spec, origin: made.origin, incarnation })
  const data = { actorId: toHex(actorId), className, nodeId: from.nodeId, mayHaveRun: 'unknown' }
  actor.phase = 'DEAD'
  actor.diedAtMs = turn.nowMs
  actor.holder = from
  actor.error = toWire(new ActorDiedError(death, { data }))
  state.actors.set(actorId, actor)
  remember(state, actor)
}

interface Wanted {
  readonly name: string
  readonly namespace: string
}

/** Of several that had it, the one that died last. */
export function goneActor(
  { actors }: RayletState,
  { name, namespace }: Wanted,
  nowMs: number,
): GoneActor | undefined {
  const gone = [...actors.values()].flatMap(({ spec, phase, diedAtMs = nowMs, error }) => {
    const isIt = phase === 'DEAD' && spec.name === name && spec.namespace === namespace
    if (!isIt) return []
    const why = error?.message ?? 'it ended'
    const deadMs = Math.round(nowMs - diedAtMs)
    return [{ actorId: toHex(spec.actorId), className: spec.className, deadMs, why }]
  })
  return newest(gone)
}

export const newest = (gone: readonly GoneActor[]): GoneActor | undefined =>
  gone.toSorted((one, other) => one.deadMs - other.deadMs)[0]

export function nobodyNow({ name, namespace }: Wanted, gone: GoneActor): ActorNotFoundError {
  const { actorId, className, deadMs, why } = gone
  const seconds = String(Math.round(deadMs / 1000))
  return new ActorNotFoundError(
    `no living actor is named '${name}' in namespace '${namespace}': ${className} ` +
      `${actorId}, which had that name, is dead since ${seconds} s: ${why}`,
    { data: { name, namespace, ...gone } },
  )
}

export async function goneElsewhere(
  member: Pick<ClusterMember, 'askAll'>,
  wanted: Wanted,
): Promise<GoneActor | undefined> {
  const known = await member.askAll('goneActor', wanted)
  return newest(known.filter((each) => each !== undefined))
}
