// Which objects one encoding has met, by index: what makes cycles and shared references work.
// Most values hold a handful of objects, so the first few are found by comparison; a Map, which
// costs a hash of every object, is used only beyond.

const COMPARED_MAX = 8
// A Map that was this large is dropped rather than cleared: it would keep its room for ever.
const MAP_KEPT_MAX = 1024

export class MetObjects {
  readonly #first: (object | undefined)[] = new Array<undefined>(COMPARED_MAX).fill(undefined)
  #rest = new Map<object, number>()
  #count = 0

  /** The index of an object, or -1. */
  find(object: object): number {
    const compared = Math.min(this.#count, COMPARED_MAX)
    const first = this.#first
    for (let i = 0; i < compared; i++) {
      if (first[i] === object) return i
    }
    return this.#count > COMPARED_MAX ? (this.#rest.get(object) ?? -1) : -1
  }

  /** Give the next index to an object, or to nothing that can be found again. */
  take(object: object | undefined): number {
    const index = this.#count++
    if (index < COMPARED_MAX) this.#first[index] = object
    else if (object !== undefined) this.#rest.set(object, index)
    return index
  }

  /** Forget all, so that nothing met is kept alive. */
  clear(): void {
    const compared = Math.min(this.#count, COMPARED_MAX)
    for (let i = 0; i < compared; i++) this.#first[i] = undefined
    if (this.#count > MAP_KEPT_MAX) this.#rest = new Map()
    else if (this.#count > COMPARED_MAX) this.#rest.clear()
    this.#count = 0
  }
}
