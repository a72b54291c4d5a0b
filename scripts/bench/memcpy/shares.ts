// How work that cannot be cut is dealt out: as evenly as whole numbers allow.

/** @returns `count` whole numbers that add up to `total`, no two more than 1 apart. */
export function wholeShares(total: number, count: number): number[] {
  const before = (index: number): number => Math.floor((index * total) / count)
  return Array.from({ length: count }, (_, index) => before(index + 1) - before(index))
}
