// How fast something grows, whatever single measurements say: the median of the slopes of all pairs
// of points, so that up to 29 % of them may be anything. Source: Theil (1950), Sen (1968).

/** @param points  [x, y]; at least two, no two with the same x. */
export function medianSlope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes: number[] = []
  for (const [i, [ax, ay]] of points.entries()) {
    for (const [bx, by] of points.slice(i + 1)) slopes.push((by - ay) / (bx - ax))
  }
  return median(slopes)
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).toSorted()
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
