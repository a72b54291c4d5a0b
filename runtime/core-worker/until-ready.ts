// Waits until so many entries are ready: complete, and fetched where that is asked for. It ends by
// its time-out, its signal, or the first failure as well (GE1 to GE3 of get.ts).
import type { GetSpecOptions } from '../common/call-options.ts'
import type { Clock, Timer } from '../common/clock.ts'
import type { Block } from './blocking.ts'
import type { ChangingWait } from './changing-wait.ts'
import { notComplete } from './get-timeouts.ts'
import type { LocalCopies } from './local-copies.ts'
import { FAILED, type ObjectEntry } from './object-entry.ts'

export interface UntilReadyDeps {
  readonly clock: Clock
  readonly local: LocalCopies
  /** Of the task that runs now. @param now  what it waits for. */
  waiting(this: void, now: () => Parameters<Block>): ChangingWait
}

export type WaitBounds = Partial<Pick<GetSpecOptions, 'timeoutMs' | 'signal'>>

export interface WaitRule {
  /** How many more must be ready. */
  readonly missing: number
  /** One that throws ends with the first failure (GE2). */
  readonly onTimeout: 'throw' | 'return'
  /** What is complete and is not is fetched. */
  readonly isReady?: typeof isComplete
  readonly away?: readonly ObjectEntry[]
}

export const isComplete = (entry: ObjectEntry): boolean => !entry.pending

export function untilReady(
  entries: readonly ObjectEntry[],
  options: WaitBounds,
  rule: WaitRule & { readonly deps: UntilReadyDeps },
): Promise<void> {
  const { isReady = isComplete, away = [], deps } = rule
  let { missing } = rule
  const { timeoutMs } = options
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined
    let done = false
    const finish = (error?: unknown): void => {
      if (done) return
      done = true
      timer?.cancel()
      options.signal?.removeEventListener('abort', abort)
      fetches?.stop()
      for (const entry of entries) if (entry.pending) entry.forgetWaiter(waiter)
      waiting.end()
      if (error === undefined) resolve()
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may
      // be any value
      else reject(error)
    }
    const waiter = (entry: ObjectEntry): void => {
      if (done) return
      if (entry.pending) {
        entry.whenComplete(waiter)
        waiting.changed()
      } else if (!isReady(entry)) {
        comingCount += 1
        fetches?.add(entry)
      } else {
        missing -= 1
        if (missing <= 0 || (rule.onTimeout === 'throw' && entry.state === FAILED)) finish()
      }
    }
    let comingCount = 0
    const fetches =
      rule.isReady &&
      deps.local.fetches((entry) => {
        comingCount -= 1
        waiter(entry)
      })
    const abort = (): void => {
      finish(options.signal?.reason)
    }
    const waiting = deps.waiting(() => {
      // What is on its way may be enough: then it is no deadlock.
      const need = missing - comingCount
      const canEnd = timeoutMs !== undefined || need <= 0
      return [entries.filter((entry) => entry.pending), canEnd ? undefined : finish, need]
    })
    for (const entry of away) waiter(entry)
    waiting.tell()
    options.signal?.addEventListener('abort', abort, { once: true })
    if (timeoutMs !== undefined) {
      timer = deps.clock.after(timeoutMs, () => {
        if (rule.onTimeout === 'return') finish()
        else finish(notComplete(entries.filter((e) => e.pending).length, entries.length, timeoutMs))
      })
    }
    for (const entry of entries) if (entry.pending) entry.whenComplete(waiter)
  })
}
