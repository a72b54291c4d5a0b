// What happens later in a world of several brains: in its order, by a clock that the world moves.

export class LateEvents {
  nowMs = 0
  readonly #events: { readonly atMs: number; readonly run: () => void }[] = []

  after(ms: number, run: () => void): void {
    this.#events.push({ atMs: this.nowMs + ms, run })
  }

  /** @param tick  after all that is due at that time, every `tickMs`. */
  runFor(ms: number, tickMs: number, tick: () => void): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) {
      this.nowMs += tickMs
      this.#runDue()
      tick()
    }
  }

  #runDue(): void {
    for (;;) {
      const due = this.#events.findIndex(({ atMs }) => atMs <= this.nowMs)
      if (due < 0) return
      const [event] = this.#events.splice(due, 1)
      event?.run()
    }
  }
}
