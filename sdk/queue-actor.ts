// The actor behind a Queue: items first in, first out, and who waits for room or for items.
// Invariants:
//   W1. Who waits is served in the order of coming, puts and takes each in a line of their own; who
//       comes while others wait goes behind them, also with a time-out of 0.
//   W2. An item is given to one take, and only while that call is still wanted.
//   W3. Nobody waits for room that there is, nor for items while there are some.
// Source: Ray python/ray/util/queue.py.
import { Fifo } from '../runtime/core-worker/fifo.ts'
import { currentWorker } from './current.ts'

/** FULL, EMPTY: not in time. CLOSED: shut down. TOO_MANY: more at once than ever fit. */
export type PutOutcome = 'OK' | 'FULL' | 'CLOSED' | 'TOO_MANY'
export type TakeOutcome = { readonly items: readonly unknown[] } | 'EMPTY' | 'CLOSED'

interface Waiter<O> {
  readonly items: readonly unknown[]
  readonly count: number
  finish(outcome: O): void
}

export class QueueActor {
  readonly #maxSize: number
  readonly #items = new Fifo<unknown>()
  readonly #putters = new Set<Waiter<PutOutcome>>()
  readonly #takers = new Set<Waiter<TakeOutcome>>()
  #closed = false

  /** @param maxSize  0: no limit. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  /** All items or none. */
  put(items: readonly unknown[], timeoutMs?: number): PutOutcome | Promise<PutOutcome> {
    if (this.#closed) return 'CLOSED'
    if (this.#maxSize > 0 && items.length > this.#maxSize) return 'TOO_MANY'
    if (this.#putters.size === 0 && this.#fits(items.length)) {
      this.#add(items)
      this.#serve()
      return 'OK'
    }
    if (timeoutMs === 0) return 'FULL'
    return wait(this.#putters, { items, count: items.length }, { timeoutMs, late: 'FULL' })
  }

  /** One item at least, `count` at most. */
  take(count: number, timeoutMs?: number): TakeOutcome | Promise<TakeOutcome> {
    if (this.#closed) return 'CLOSED'
    if (this.#items.length > 0) {
      const items = this.#remove(count)
      this.#serve()
      return { items }
    }
    if (timeoutMs === 0) return 'EMPTY'
    return wait(this.#takers, { items: [], count }, { timeoutMs, late: 'EMPTY' })
  }

  size(): { readonly size: number; readonly maxSize: number } {
    return { size: this.#items.length, maxSize: this.#maxSize }
  }

  /** Wakes all who wait; resolves once they have been told. */
  close(): Promise<void> {
    this.#closed = true
    for (const waiter of [...this.#putters]) waiter.finish('CLOSED')
    for (const waiter of [...this.#takers]) waiter.finish('CLOSED')
    const { clock } = currentWorker('Queue').deps
    return new Promise((resolve) => {
      clock.immediate(resolve)
    })
  }

  /** W3, in the order of W1. */
  #serve(): void {
    for (;;) {
      const taker = first(this.#takers)
      if (taker !== undefined && this.#items.length > 0) {
        taker.finish({ items: this.#remove(taker.count) })
        continue
      }
      const putter = first(this.#putters)
      if (putter === undefined || !this.#fits(putter.count)) return
      this.#add(putter.items)
      putter.finish('OK')
    }
  }

  #fits(count: number): boolean {
    return this.#maxSize === 0 || this.#items.length + count <= this.#maxSize
  }

  #add(items: readonly unknown[]): void {
    for (const item of items) this.#items.push(item)
  }

  #remove(count: number): unknown[] {
    const items: unknown[] = []
    while (items.length < count && this.#items.length > 0) items.push(this.#items.shift())
    return items
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const each of set) return each
  return undefined
}

/** Stands in line until it is served, late, or not wanted any more (W2: its caller is gone). */
function wait<O>(
  line: Set<Waiter<O>>,
  what: Pick<Waiter<O>, 'items' | 'count'>,
  { timeoutMs, late }: { readonly timeoutMs: number | undefined; readonly late: O },
): Promise<O> {
  const worker = currentWorker('Queue')
  const { signal } = worker.scope().abort
  return new Promise((resolve) => {
    const leave = (): void => {
      waiter.finish(late)
    }
    const timer = timeoutMs === undefined ? undefined : worker.deps.clock.after(timeoutMs, leave)
    const waiter: Waiter<O> = {
      ...what,
      finish: (outcome) => {
        line.delete(waiter)
        timer?.cancel()
        signal.removeEventListener('abort', leave)
        resolve(outcome)
      },
    }
    line.add(waiter)
    signal.addEventListener('abort', leave, { once: true })
  })
}
