// What is to happen in virtual time, the earliest first; of one instant, what was put first.
export interface Due {
  atMs: number
  /** Counts up with every event that is put. */
  readonly seq: number
}

export class EventHeap<T extends Due> {
  readonly #heap: T[] = []

  get size(): number {
    return this.#heap.length
  }

  peek(): T | undefined {
    return this.#heap[0]
  }

  push(due: T): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as T
      if (isBefore(parent, due)) break
      heap[at] = parent
      at = up
    }
    heap[at] = due
  }

  pop(): T | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= heap.length) break
      const right = heap[down + 1]
      if (right !== undefined && isBefore(right, heap[down] as T)) down += 1
      const child = heap[down] as T
      if (isBefore(last, child)) break
      heap[at] = child
      at = down
    }
    heap[at] = last
    return top
  }
}

const isBefore = (a: Due, b: Due): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq)
