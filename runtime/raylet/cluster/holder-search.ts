// Which other nodes hold an object, where no hint leads to one: all of them are asked, about many
// objects at a time (TG1), and those in between about what they reach that this node does not.
import type { Clock } from '../../common/clock.ts'
import type { ObjectStore } from '../../objects/store.ts'
import { AskedTogether } from './asked-together.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { PeerBreaker } from './peer-breaker.ts'
import type { PeerRayletCalls } from './peer-raylet-messages.ts'

/** The nodes beyond have to answer as well. */
const BEYOND_LIMIT_MS = 1_000
const REACH_LIMIT_MS = 3_000

export interface HolderSearchDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'askEach'>
  readonly breaker: Pick<PeerBreaker, 'why'>
  readonly clock: Clock
  /** Hex. */
  readonly nodeId: string
  readonly store: () => ObjectStore
}

export interface Holder {
  /** Hex. */
  readonly nodeId: string
  readonly sizeBytes: number
  readonly isPrimary: boolean
}

export interface Holders {
  readonly holders: readonly Holder[]
  /** Nodes, in hex, that did not say. */
  readonly silent: readonly string[]
}

/** Who is to be asked about an object, and of which nodes that this one does not reach. */
interface Detour {
  readonly between: readonly string[]
  readonly beyond: readonly string[]
}

type HoldsAnswer = PeerRayletCalls['holds'][1]

export class HolderSearch {
  readonly #deps: HolderSearchDeps
  readonly #everywhere: AskedTogether<undefined, Holders>
  readonly #beyond: AskedTogether<Detour, readonly string[]>

  constructor(deps: HolderSearchDeps) {
    this.#deps = deps
    this.#everywhere = new AskedTogether(deps.clock, (round) => this.#askAll([...round.keys()]))
    this.#beyond = new AskedTogether(deps.clock, (round) => {
      return this.#askBetween([...round.keys()], [...round.values()].flat())
    })
  }

  /** Of all other living nodes. */
  holdersOf(objectId: string): Promise<Holders> {
    return this.#everywhere.find(objectId, undefined)
  }

  /** @returns those of the nodes in between that can read it from a node beyond, in their order. */
  reachedBy(objectId: string, detour: Detour): Promise<readonly string[]> {
    return this.#beyond.find(objectId, detour)
  }

  /** Another node asks. F41: of what is damaged there is none. */
  holds({ objectIds }: PeerRayletCalls['holds'][0]): HoldsAnswer {
    const store = this.#deps.store()
    const held = objectIds.flatMap((objectId) => {
      const sizeBytes = store.sizeOf(objectId)
      if (sizeBytes === undefined) return []
      return [{ objectId, sizeBytes, isPrimary: store.holding(objectId)?.isPrimary === true }]
    })
    return { nodeId: this.#deps.nodeId, held }
  }

  /** Another node asks, which does not reach those. */
  async reaches({
    beyond,
    objectIds,
  }: PeerRayletCalls['reaches'][0]): Promise<PeerRayletCalls['reaches'][1]> {
    const { member, breaker } = this.#deps
    const asked = beyond.filter((nodeId) => breaker.why(nodeId) === undefined)
    const answers = await Promise.allSettled(
      asked.map((nodeId) => member.ask(nodeId, 'holds', { objectIds }, BEYOND_LIMIT_MS)),
    )
    const held = answers.flatMap((each) => (each.status === 'fulfilled' ? each.value.held : []))
    return { reached: [...new Set(held.map(({ objectId }) => objectId))] }
  }

  async #askAll(objectIds: readonly string[]): Promise<(objectId: string) => Holders> {
    const { answers, silent } = await this.#deps.member.askEach('holds', { objectIds })
    const found = new Map<string, Holder[]>()
    for (const { nodeId, held } of answers) {
      for (const { objectId, ...what } of held) add(found, objectId, { nodeId, ...what })
    }
    return (objectId) => ({ holders: found.get(objectId) ?? [], silent })
  }

  /** All at once: what each can read, and who of them an object asks for, is seen after that. */
  async #askBetween(
    objectIds: readonly string[],
    detours: readonly Detour[],
  ): Promise<(objectId: string) => readonly string[]> {
    const between = [...new Set(detours.flatMap((each) => each.between))]
    const beyond = [...new Set(detours.flatMap((each) => each.beyond))]
    const found = new Map<string, string[]>()
    const asked = between.map(async (nodeId) => {
      const { reached } = await this.#deps.member
        .ask(nodeId, 'reaches', { beyond, objectIds }, REACH_LIMIT_MS)
        .catch(() => ({ reached: [] })) // another one may reach it
      for (const objectId of reached) add(found, objectId, nodeId)
    })
    await Promise.all(asked)
    return (objectId) => found.get(objectId) ?? []
  }
}

function add<T>(found: Map<string, T[]>, objectId: string, one: T): void {
  const known = found.get(objectId)
  if (known === undefined) found.set(objectId, [one])
  else known.push(one)
}
