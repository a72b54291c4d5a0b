// Who of many is to do something about a thing, agreed on without asking: every candidate has a
// score for it, and the highest come first. When one leaves, only its things move.
// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998).

/** A candidate with its score for one key. */
export interface Ranked {
  readonly id: string
  readonly score: number
}

const FNV_BASIS = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** The `count` candidates that come first for `key`, in order; fewer when there are not so many. */
export function rendezvous(key: string, candidates: Iterable<string>, count: number): string[] {
  return rank(key, candidates, count).map(({ id }) => id)
}

/**
 * The same with their scores, for who ranks anew as candidates come.
 * @param before  those that came first of others, for the same key.
 * @returns `before` itself where no candidate comes before them.
 */
export function rank(
  key: string,
  candidates: Iterable<string>,
  count: number,
  before: readonly Ranked[] = [],
): readonly Ranked[] {
  let best: Ranked[] | undefined
  const hashOfKey = hashed(`${key}/`, FNV_BASIS)
  for (const id of candidates) {
    const score = mixed(hashed(id, hashOfKey))
    const first = best ?? before
    let at = first.length
    while (at > 0 && isBefore(id, score, first[at - 1] as Ranked)) at -= 1
    if (at === count) continue
    best ??= [...before]
    best.splice(at, 0, { id, score })
    if (best.length > count) best.pop()
  }
  return best ?? before
}

const isBefore = (id: string, score: number, other: Ranked): boolean =>
  score === other.score ? id < other.id : score > other.score

/** FNV-1a. */
function hashed(text: string, before: number): number {
  let hash = before
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME)
  }
  return hash
}

/** Ids that differ in their last byte must not stay close. */
function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35)
  return (mix ^ (mix >>> 16)) >>> 0
}
