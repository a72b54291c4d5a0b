// Collecting garbage in a worker once it idles. It makes none by itself then, so what it holds of
// others would stay with it for ever: no collection would tell that its refs and arrays are gone.
import type { Clock, Timer } from '../common/clock.ts'
import type { Collector } from './collector.ts'

/** So long after a task ended, if none runs by then. */
const COLLECT_IDLE_MS = 1000
/** Collecting takes at most this share of the time. */
const COLLECT_SHARE = 1 / 100

export interface IdleCollectorDeps {
  readonly clock: Pick<Clock, 'after'>
  readonly collector: Pick<Collector, 'collect' | 'waitMs'>
  /** Whether no task runs here. */
  isIdle(): boolean
  /** Whether a collection could set anything of others free. */
  holdsOfOthers(): boolean
}

export class IdleCollector {
  readonly #deps: IdleCollectorDeps
  #timer: Timer | undefined

  constructor(deps: IdleCollectorDeps) {
    this.#deps = deps
  }

  /** Collects in a while, unless another task runs then: its end comes here again. */
  taskEnded(): void {
    const { clock, collector } = this.#deps
    if (this.#timer !== undefined || !this.#deps.holdsOfOthers()) return
    const waitMs = Math.max(COLLECT_IDLE_MS, collector.waitMs(COLLECT_SHARE))
    this.#timer = clock.after(waitMs, () => {
      this.#timer = undefined
      if (this.#deps.isIdle()) collector.collect()
    })
  }
}
