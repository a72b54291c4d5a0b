// Where an actor is that processes of this node watch: by its row, which names its host, or at the
// node of who is to make it.
// Invariants:
//   AK1. One look-out runs for an actor, whatever asks for it meanwhile. What is asked at once is
//        bounded by the actors that processes of this node made or have handles of.
import { delay, type Clock } from '../../common/clock.ts'
import { toWire } from '../../common/error-wire.ts'
import { ActorDiedError } from '../../common/errors.ts'
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import { isOutage } from '../../gcs/attempts.ts'
import { lookUpActor, type ActorRow } from '../../gcs/actors.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import { unknownView } from './actors-elsewhere.ts'
import type { Brain } from '../brain.ts'
import type { Stimulus } from '../client-link.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import { lostWorker } from '../lost-worker.ts'
import type { RayletState } from '../state.ts'
import type { RayletEffect } from '../turn.ts'

const TRY_MS_MIN = 50
const TRY_MS_MAX = 2_000
const ASK_LIMIT_MS = 5_000

export interface ActorSearchDeps {
  readonly member: ClusterMember
  readonly brain: Brain
  readonly state: RayletState
  readonly storage: Storage
  readonly clock: Clock
}

type LocateActor = Extract<RayletEffect, { kind: 'locateActor' }>

/** Of who made an actor; the epoch is undefined where it need not be known. */
interface Home {
  readonly homeId: string
  readonly homeEpoch: number | undefined
}

export class ActorSearch {
  readonly #deps: ActorSearchDeps
  /** Actors that are looked for, and whether they have moved since that began (AK1). */
  readonly #looking = new Map<ActorId, { again: boolean }>()
  #stopped = false

  constructor(deps: ActorSearchDeps) {
    this.#deps = deps
  }

  stop(): void {
    this.#stopped = true
  }

  /** It is not where it was. @returns whether it is looked for: then it is, anew. */
  moved(actorId: ActorId): boolean {
    const looking = this.#looking.get(actorId)
    if (looking !== undefined) looking.again = true
    return looking !== undefined
  }

  /** CT1, AK1. */
  async locate({ actorId, homeId, homeEpoch }: LocateActor): Promise<void> {
    const known = this.#looking.get(actorId)
    if (known !== undefined) {
      known.again = true
      return
    }
    const looking = { again: false }
    this.#looking.set(actorId, looking)
    for (let tries = 0; !this.#stopped && this.#isWanted(actorId); tries += 1) {
      if (tries > 0) await pause(this.#deps.clock, tries)
      looking.again = false
      const found = await this.#lookOnce(actorId, { homeId: homeId ?? this.#self, homeEpoch })
      if (found === undefined || looking.again) continue
      this.#looking.delete(actorId)
      this.#deps.brain.tell(found)
      return
    }
    this.#looking.delete(actorId)
  }

  #isWanted(actorId: ActorId): boolean {
    const { actors, cluster } = this.#deps.state
    return cluster?.actors.watched.has(actorId) === true || actors.get(actorId)?.place === 'AWAY'
  }

  async #lookOnce(actorId: ActorId, home: Home): Promise<Stimulus | undefined> {
    const local = this.#deps.state.actors.get(actorId)
    if (local !== undefined) {
      if (local.place !== 'AWAY' || local.hostId === undefined) {
        return { kind: 'actorIsHere', actorId }
      }
      return await this.#askView(local.hostId, actorId, false)
    }
    const row = await rowOf(this.#deps.storage, actorId)
    if (row === 'OUTAGE') return undefined
    if (row === undefined) return await this.#lookAtHome(actorId, home)
    if (row === 'KILLED') return located(actorId, undefined, killedView(actorId))
    const isLiving = epochOf(this.#deps.member, row.nodeId) !== undefined
    if (isLiving && row.nodeId !== this.#self) {
      const found = await this.#askView(row.nodeId, actorId, false)
      if (found !== undefined) return found
    }
    return row.state === 'DEAD'
      ? located(actorId, undefined, deadView(actorId, row, isLiving))
      : undefined
  }

  /**
   * Nobody has it: its maker may make it yet or, where that life of its node is over, a retry of
   * its task, anywhere. Whose handle names the maker minds how long that takes (MW1).
   */
  async #lookAtHome(
    actorId: ActorId,
    { homeId, homeEpoch = 0 }: Home,
  ): Promise<Stimulus | undefined> {
    const isHere = homeId === this.#self
    const epoch = isHere ? this.#deps.state.config.epoch : epochOf(this.#deps.member, homeId)
    if (epoch === undefined && homeEpoch === 0) {
      return located(actorId, undefined, forgotten(actorId, homeId))
    }
    const isOver = epoch === undefined || (homeEpoch > 0 && epoch > homeEpoch)
    if (isHere || isOver) return located(actorId, homeId, unknownView(this.#deps, actorId))
    const found = await this.#askView(homeId, actorId, true)
    // It may have been made, and have moved on, before its home was asked.
    const row = await rowOf(this.#deps.storage, actorId)
    return row === undefined ? found : undefined
  }

  async #askView(
    nodeId: string,
    actorId: ActorId,
    isUnmade: boolean,
  ): Promise<Stimulus | undefined> {
    const view = await this.#deps.member
      .ask(nodeId, 'watchActor', { actorId, isUnmade }, ASK_LIMIT_MS)
      .catch(() => undefined) // it is away, or no member: the row is read again
    return view && located(actorId, nodeId, view)
  }

  get #self(): string {
    return toHex(this.#deps.state.config.nodeId)
  }
}

/** Undefined: there is no such living node. */
export function epochOf(member: Pick<ClusterMember, 'nodes'>, nodeId: string): number | undefined {
  const isThere = ({ nodeId: id, state }: NodeRow): boolean => id === nodeId && state !== 'DEAD'
  return member.nodes().find(isThere)?.epoch
}

export async function rowOf(
  storage: Storage,
  actorId: ActorId,
): Promise<ActorRow | 'KILLED' | 'OUTAGE' | undefined> {
  try {
    return await lookUpActor(storage, toHex(actorId))
  } catch (error) {
    if (isOutage(error)) return 'OUTAGE'
    throw error
  }
}

/** CT1. */
export const pause = (clock: Clock, tries: number): Promise<void> =>
  delay(clock, Math.min(TRY_MS_MAX, TRY_MS_MIN * 2 ** Math.min(tries, 10)))

const located = (actorId: ActorId, nodeId: string | undefined, view: ActorView): Stimulus => ({
  ...{ kind: 'actorLocated', actorId, nodeId, view },
})

/** As far as its row tells. */
function deadView(actorId: ActorId, row: ActorRow, isNodeLiving: boolean): ActorView {
  const { incarnation, death, nodeId } = row
  const data = { actorId: toHex(actorId), nodeId, mayHaveRun: 'unknown' }
  const error = toWire(new ActorDiedError(death, { data }))
  const base = {
    actorId,
    phase: 'DEAD',
    incarnation,
    address: '',
    workerId: undefined,
    error,
  } as const
  return isNodeLiving ? base : { ...base, exit: lostWorker('' as WorkerId) }
}

function killedView(actorId: ActorId): ActorView {
  const data = { actorId: toHex(actorId), mayHaveRun: false }
  const message = `actor ${toHex(actorId)} is dead: it was killed before it was made. Create a new one.`
  const error = toWire(new ActorDiedError(message, { data }))
  return { actorId, phase: 'DEAD', incarnation: 0, address: '', workerId: undefined, error }
}

/** Who made it gave that handle away when it was made, so it has ended long ago. */
function forgotten(actorId: ActorId, homeId: string): ActorView {
  const data = { actorId: toHex(actorId), nodeId: homeId, mayHaveRun: 'unknown' }
  const message =
    `nothing is known of actor ${toHex(actorId)} any more: it has no row, and the node ${homeId} ` +
    'of its creator is dead. Create a new one.'
  const error = toWire(new ActorDiedError(message, { data }))
  return { actorId, phase: 'DEAD', incarnation: 0, address: '', workerId: undefined, error }
}
