// Who of many is to do something about a thing, agreed on without asking: every candidate has a
// score for it, and the highest come first. When one leaves, only its things move.
// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998).

/** The `count` candidates that come first for `key`, in order; fewer when there are not so many. */
export function rendezvous(key: string, candidates: Iterable<string>, count: number): string[] {
  const best: { id: string; score: number }[] = []
  for (const id of candidates) {
    const score = scoreOf(key, id)
    const at = best.findIndex((other) => isBefore({ id, score }, other))
    if (at >= 0) best.splice(at, 0, { id, score })
    else if (best.length < count) best.push({ id, score })
    if (best.length > count) best.pop()
  }
  return best.map(({ id }) => id)
}

const isBefore = (a: { id: string; score: number }, b: { id: string; score: number }): boolean =>
  a.score === b.score ? a.id < b.id : a.score > b.score

/** FNV-1a over both, then mixed, since ids that differ in their last byte must not stay close. */
function scoreOf(key: string, id: string): number {
  let hash = 0x811c9dc5
  for (const text of [key, '/', id]) {
    for (let index = 0; index < text.length; index++) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
