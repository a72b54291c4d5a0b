// The name that was probably meant, for the `did you mean` of an error.

/**
 * The candidate nearest to `name`, or undefined when none is near.
 * Near: the same but for case and underscores (`num_cpus`), one with a part left out (`retries`
 * for `maxRetries`), or few letters wrong (one in three).
 */
export function findNearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(name)
  let best: string | undefined
  let bestScore = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const score = distance(wanted, plain(candidate))
    if (score >= bestScore) continue
    best = candidate
    bestScore = score
  }
  return best ?? findWhole(wanted, candidates)
}

/** `. Did you mean X?`, or nothing. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const nearest = findNearestName(name, candidates)
  return nearest === undefined ? '' : `. Did you mean ${nearest}?`
}

function findWhole(wanted: string, candidates: readonly string[]): string | undefined {
  if (wanted.length < 4) return undefined
  return candidates.find((candidate) => {
    const other = plain(candidate)
    return other.includes(wanted) || (other.length >= 4 && wanted.includes(other))
  })
}

const plain = (name: string): string => name.replaceAll(/[_-]/g, '').toLowerCase().slice(0, 64)

/** Letters to insert, drop, change or swap with their neighbour. */
function distance(source: string, target: string): number {
  let before: number[] = []
  let previous = Array.from({ length: target.length + 1 }, (_, i) => i)
  for (let i = 1; i <= source.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= target.length; j += 1) {
      const same = source[i - 1] === target[j - 1] ? 0 : 1
      let least = Math.min(at(row, j - 1) + 1, at(previous, j) + 1, at(previous, j - 1) + same)
      const swapped = source[i - 1] === target[j - 2] && source[i - 2] === target[j - 1]
      if (i > 1 && j > 1 && swapped) least = Math.min(least, at(before, j - 2) + 1)
      row.push(least)
    }
    before = previous
    previous = row
  }
  return at(previous, target.length)
}

const at = (row: readonly number[], i: number): number => row[i] ?? 0
