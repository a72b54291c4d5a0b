// Who watches whom, kept as nodes come and go. A change costs one pass over the nodes, not one for
// each of them: a thousand nodes are a million pairs.
import { WATCHERS } from './lease-terms.ts'
import { rendezvous } from './rendezvous.ts'

export class WatchPlan {
  #watchers = new Map<string, readonly string[]>()

  /** @returns for every member, in order, the others that watch it. */
  update(members: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const before = this.#watchers
    const added = members.filter((id) => !before.has(id))
    const current = new Set(members)
    this.#watchers = new Map(
      members.map((id) => {
        const known = before.get(id)
        const isWhole = known?.every((watcher) => current.has(watcher)) === true
        // Those who were not chosen before are still behind those who were.
        const candidates = isWhole && known.length === WATCHERS ? [...known, ...added] : members
        return [id, watchersOf(id, candidates)]
      }),
    )
    return this.#watchers
  }
}

/** The nodes among `candidates` that watch `nodeId`; none watches itself. */
function watchersOf(nodeId: string, candidates: readonly string[]): readonly string[] {
  return rendezvous(nodeId, candidates, WATCHERS + 1)
    .filter((id) => id !== nodeId)
    .slice(0, WATCHERS)
}
