// Limiters as the owner of tasks sees them: a limited task waits here, before it is queued, until
// the raylet grants a token; the token goes back when the task has ended, whatever its end, and
// nothing of it runs any more: a cancelled call is over at once, its function perhaps later.
// Invariants:
//   LT1. Tasks of one limiter start in the order they were submitted here.
//   LT2. Every token granted is returned once: after the end of its task (where a node is cut off,
//       CW2), at once when nobody waits any more, or by the raylet itself when this process ends.
//   LT3. At most ASKED_MAX tokens of a limiter are asked for at a time, however many tasks wait.
// A task that waits for another one under the same limiter may wait for ever, since both need a
// token: the raylet finds that as it finds other rings (raylet/deadlock.ts).
import { fromWire } from '../common/error-wire.ts'
import type { Clock } from '../common/clock.ts'
import type { ClientNotices, RayletNotices } from '../protocol/messages.ts'
import type { TaskRecord } from './task-record.ts'

export const ASKED_MAX = 256

export interface LimitersDeps {
  readonly clock: Pick<Clock, 'microtask'>
  notifyRaylet<K extends 'takeTokens' | 'returnTokens'>(type: K, message: RayletNotices[K]): void
  fail(record: TaskRecord, error: Error): void
}

interface Limiter {
  readonly name: string
  /** In the order they came; what starts each once it has a token. */
  readonly waiting: Map<TaskRecord, () => void>
  readonly holding: Set<TaskRecord>
  asked: number
  done: number
  unused: number
  dirty: boolean
}

export class Limiters {
  readonly #deps: LimitersDeps
  /** Those with tasks that wait or hold a token. */
  readonly #limiters = new Map<string, Limiter>()

  constructor(deps: LimitersDeps) {
    this.#deps = deps
  }

  /** Calls `start` once the task has a token of its limiter. */
  acquire(record: TaskRecord, start: () => void): void {
    const { limit } = record.kind
    if (limit === undefined) {
      start()
      return
    }
    const limiter = this.#limiterOf(limit.name)
    limiter.waiting.set(record, start)
    this.#tellSoon(limiter)
  }

  /** The task has ended and nothing of it runs: its token is free, or it waits for none any more. */
  release(record: TaskRecord): void {
    const limiter = this.#limiters.get(record.kind.limit?.name ?? '')
    if (limiter === undefined || limiter.waiting.delete(record)) return
    if (!limiter.holding.delete(record)) return
    limiter.done += 1
    this.#tellSoon(limiter)
  }

  /** Tokens came. */
  granted({ name, count }: { readonly name: string; readonly count: number }): void {
    const limiter = this.#limiterOf(name)
    limiter.asked = Math.max(0, limiter.asked - count)
    for (let i = 0; i < count; i += 1) {
      const next = limiter.waiting.entries().next()
      if (next.done === true) {
        limiter.unused += 1
        continue
      }
      const [record, start] = next.value
      limiter.waiting.delete(record)
      limiter.holding.add(record)
      start()
    }
    this.#tellSoon(limiter)
  }

  /** Others use that name with other numbers: what waits here will get no token. */
  refused({ name, error }: ClientNotices['tokensRefused']): void {
    const limiter = this.#limiters.get(name)
    if (limiter === undefined) return
    limiter.asked = 0
    const failure = fromWire(error)
    for (const record of [...limiter.waiting.keys()]) this.#deps.fail(record, failure)
    this.#tellSoon(limiter)
  }

  #limiterOf(name: string): Limiter {
    let limiter = this.#limiters.get(name)
    if (limiter === undefined) {
      limiter = {
        name,
        waiting: new Map(),
        holding: new Set(),
        asked: 0,
        done: 0,
        unused: 0,
        dirty: false,
      }
      this.#limiters.set(name, limiter)
    }
    return limiter
  }

  /** Once per turn, so that a thousand tasks are one message. */
  #tellSoon(limiter: Limiter): void {
    if (limiter.dirty) return
    limiter.dirty = true
    this.#deps.clock.microtask(() => {
      limiter.dirty = false
      this.#tell(limiter)
    })
  }

  #tell(limiter: Limiter): void {
    const { name, done, unused } = limiter
    limiter.done = 0
    limiter.unused = 0
    if (done > 0) this.#deps.notifyRaylet('returnTokens', { name, count: done, unused: false })
    if (unused > 0) this.#deps.notifyRaylet('returnTokens', { name, count: unused, unused: true })
    const count = Math.min(limiter.waiting.size, ASKED_MAX) - limiter.asked
    const first = limiter.waiting.keys().next().value?.kind.limit
    if (count > 0 && first !== undefined) {
      limiter.asked += count
      const { concurrency, perSecond } = first
      this.#deps.notifyRaylet('takeTokens', {
        name,
        count,
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(perSecond === undefined ? {} : { perSecond }),
      })
    }
    const idle = limiter.waiting.size + limiter.holding.size + limiter.asked === 0
    if (idle) this.#limiters.delete(name)
  }
}
