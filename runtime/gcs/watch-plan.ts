// Who watches whom, kept as nodes come and go. A change costs one pass over the nodes, not one for
// each of them: a thousand nodes are a million pairs.
import { WATCHERS } from './lease-terms.ts'
import { rank, type Ranked } from './rendezvous.ts'

/** So many are ranked, for when some of them leave. */
const RANKED = 8

/** Who comes first for one node: those that watch it, and those that would next. */
interface Ranking {
  readonly ranked: readonly Ranked[]
  readonly watchers: readonly string[]
}

interface Change {
  readonly members: readonly string[]
  readonly added: readonly string[]
  readonly gone: ReadonlySet<string>
  /** How many there were. */
  readonly countBefore: number
}

export class WatchPlan {
  #rankings = new Map<string, Ranking>()

  /** @returns for every member, in order, the others that watch it. */
  update(members: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const before = this.#rankings
    const current = new Set(members)
    const added = members.filter((id) => !before.has(id))
    const gone = new Set([...before.keys()].filter((id) => !current.has(id)))
    const change = { members, added, gone, countBefore: before.size }
    this.#rankings = new Map(members.map((id) => [id, rankingOf(id, before.get(id), change)]))
    return new Map([...this.#rankings].map(([id, { watchers }]) => [id, watchers]))
  }
}

function rankingOf(nodeId: string, known: Ranking | undefined, change: Change): Ranking {
  const { members, added, gone, countBefore } = change
  const left = known === undefined ? [] : without(gone, known.ranked)
  if (left.length < WATCHERS) {
    const others = members.filter((id) => id !== nodeId) // none watches itself
    return toRanking(rank(nodeId, others, RANKED))
  }
  // Those who were not ranked before are still behind those who were.
  const hasAll = known?.ranked.length === countBefore - 1
  const ranked = rank(nodeId, added, hasAll ? RANKED : left.length, left)
  return known?.ranked === ranked ? known : toRanking(ranked)
}

function without(gone: ReadonlySet<string>, ranked: readonly Ranked[]): readonly Ranked[] {
  const isWhole = gone.size === 0 || !ranked.some(({ id }) => gone.has(id))
  return isWhole ? ranked : ranked.filter(({ id }) => !gone.has(id))
}

const toRanking = (ranked: readonly Ranked[]): Ranking => ({
  ranked,
  watchers: ranked.slice(0, WATCHERS).map(({ id }) => id),
})
