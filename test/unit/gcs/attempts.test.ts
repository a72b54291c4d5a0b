// Attempts at calls: what is repeated, how often, and what a caller is told in the end.
import { describe, expect, test } from 'vitest'
import {
  GcsUnavailableError,
  GcsWriteUnknownError,
  UsageError,
} from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { Attempts, type Failure } from '../../../runtime/gcs/attempts.ts'
import { RETRY_TOKENS_MAX, RetryBudget } from '../../../runtime/gcs/retry-budget.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { caught } from '../../support/waiting.ts'

const RANDOM = { next: () => 0.5, bytes: (length: number) => new Uint8Array(length) }

class Failing extends Error {
  readonly failure: Failure['kind']
  constructor(failure: Failure['kind']) {
    super(failure)
    this.failure = failure
  }
}

const explain = (error: unknown): Failure => ({
  kind: (error as Failing).failure,
  error: (error as Failing).failure === 'FINAL' ? new UsageError('no') : (error as Error),
})

function made(clock: HandClock) {
  const warned: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) }
  const budget = new RetryBudget(clock.monotonicMs())
  return { attempts: new Attempts({ clock, random: RANDOM, log, budget }, explain), warned }
}

/** Fails as listed, then answers whether it was told to be unsure. */
function failing(...kinds: Failure['kind'][]) {
  return (unsure: boolean) => {
    const kind = kinds.shift()
    return kind === undefined ? Promise.resolve(unsure) : Promise.reject(new Failing(kind))
  }
}

describe('attempts', () => {
  test('are repeated until one succeeds, and know whether one may have been applied', async () => {
    const clock = new HandClock()
    const { attempts } = made(clock)
    const call = { name: 'put', writes: true }
    const sure = attempts.run({ ...call, attempt: failing('NOT_DONE', 'NOT_DONE') })
    const unsure = attempts.run({ ...call, attempt: failing('MAYBE_DONE', 'NOT_DONE') })
    await clock.advance(10_000)
    expect(await sure).toBe(false)
    expect(await unsure).toBe(true)
  })

  test('end at once when repeating cannot help', async () => {
    const { attempts } = made(new HandClock())
    const attempt = failing('FINAL')
    await caught(attempts.run({ name: 'put', writes: true, attempt }), UsageError)
  })

  test('end at the deadline: a write that may have been applied is told apart', async () => {
    const clock = new HandClock()
    const { attempts } = made(clock)
    const always = (kind: Failure['kind']) => () => Promise.reject(new Failing(kind))
    const outcomes = Promise.allSettled([
      attempts.run({ name: 'a', writes: true, attempt: always('NOT_DONE') }),
      attempts.run({ name: 'b', writes: true, attempt: always('MAYBE_DONE') }),
      attempts.run({ name: 'c', writes: false, attempt: always('MAYBE_DONE') }),
    ])
    await clock.advance(30_000)
    const errors = (await outcomes).map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as unknown) : undefined,
    )
    expect(errors[0]).toBeInstanceOf(GcsUnavailableError)
    expect(errors[1]).toBeInstanceOf(GcsWriteUnknownError)
    expect(errors[2]).toBeInstanceOf(GcsUnavailableError)
  })

  test('F28: throttled throughout, retries are a fifth of the calls beside one bucket', async () => {
    const clock = new HandClock()
    const { attempts } = made(clock)
    const [calls, seconds] = [600, 60]
    let count = 0
    const attempt = (): Promise<void> => {
      count += 1
      return Promise.reject(new Failing('NOT_DONE'))
    }
    const all: Promise<unknown>[] = []
    for (let second = 0; second < seconds; second++) {
      for (let call = 0; call < calls / seconds; call++) {
        all.push(
          attempts.run({ name: 'put', writes: true, attempt }).catch((error: unknown) => error),
        )
      }
      await clock.advance(1000)
    }
    await clock.advance(30_000)
    for (const error of await Promise.all(all)) expect(error).toBeInstanceOf(GcsUnavailableError)
    expect(count).toBeLessThanOrEqual(1.2 * calls + RETRY_TOKENS_MAX + 0.5 * (seconds + 30))
  })

  test('F28: half of the calls throttled for a minute: slower, and nothing is lost', async () => {
    const clock = new HandClock()
    const { attempts } = made(clock)
    let [count, failures] = [0, 0]
    const attempt = (): Promise<number> => {
      count += 1
      if (count % 2 === 0) return Promise.resolve(count)
      failures += 1
      return Promise.reject(new Failing('NOT_DONE'))
    }
    const all: Promise<unknown>[] = []
    for (let second = 0; second < 60; second++) {
      all.push(attempts.run({ name: 'put', writes: true, attempt }))
      await clock.advance(1000)
    }
    await clock.advance(20_000)
    expect(await Promise.all(all)).toHaveLength(60)
    expect(failures).toBeGreaterThan(20)
  })

  test('F23: an outage is logged once a minute, not once a failure', async () => {
    const clock = new HandClock()
    const { attempts, warned } = made(clock)
    const attempt = (): Promise<void> => Promise.reject(new Failing('NOT_DONE'))
    for (let second = 0; second < 150; second++) {
      attempts.run({ name: 'put', writes: true, attempt }).catch(() => undefined)
      await clock.advance(1000)
    }
    expect(warned).toHaveLength(3)
  })
})
