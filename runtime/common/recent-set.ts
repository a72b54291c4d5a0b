// A set that remembers the newest N it was given, each operation in constant time.
// A Set alone would do the same slowly: V8 keeps holes where its first entries were deleted, and
// finding the oldest entry walks over all of them.

export class RecentSet<T> {
  readonly #max: number
  readonly #known = new Set<T>()
  /** The same in the order they came, as a ring; `#at` is the oldest once it is full. */
  readonly #ring: T[] = []
  #at = 0

  /** @param max  how many are remembered, at least 1. */
  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#known.size
  }

  has(value: T): boolean {
    return this.#known.has(value)
  }

  /** @returns the oldest, which is forgotten for it; undefined while there is room. */
  add(value: T): T | undefined {
    if (this.#known.has(value)) return undefined
    this.#known.add(value)
    if (this.#ring.length < this.#max) {
      this.#ring.push(value)
      return undefined
    }
    const oldest = this.#ring[this.#at] as T
    this.#known.delete(oldest)
    this.#ring[this.#at] = value
    this.#at = (this.#at + 1) % this.#max
    return oldest
  }
}
