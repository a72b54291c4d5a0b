// A queue with constant-time shift: an array with a moving head. Array.shift is linear, and class
// queues hold up to a million tasks.

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.#compact()
    return item
  }

  /** Puts items back in front, in their order. */
  unshift(items: readonly T[]): void {
    if (items.length === 0) return
    if (items.length <= this.#head) {
      this.#head -= items.length
      for (const [i, item] of items.entries()) this.#items[this.#head + i] = item
    } else {
      this.#compact()
      this.#items = [...items, ...this.#items]
    }
  }

  /** Removes and returns everything. */
  drain(): T[] {
    this.#compact()
    const items = this.#items as T[]
    this.#items = []
    return items
  }

  remove(item: T): boolean {
    const at = this.#items.indexOf(item, this.#head)
    if (at < 0) return false
    this.#items.splice(at, 1)
    return true
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = this.#head; i < this.#items.length; i += 1) yield this.#items[i] as T
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head)
    this.#head = 0
  }
}
