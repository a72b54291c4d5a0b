// A wait that ends by what it waits for, its time-out or its signal, whichever comes first.
import { expect, it } from 'vitest'
import { GetTimeoutError } from '../../../runtime/common/errors.ts'
import { boundedWait } from '../../../runtime/core-worker/bounded-wait.ts'
import { HandClock } from '../../support/hand-clock.ts'

const late = new GetTimeoutError('too late')
const timedOut = (): Error => late
const never = new Promise<void>(() => undefined)

it('ends with what it waits for, well or not', async () => {
  const clock = new HandClock()
  const bounds = { timeoutMs: 100, signal: new AbortController().signal, timedOut }
  await boundedWait(Promise.resolve(), clock, bounds)
  const failure = new Error('it failed')
  await expect(boundedWait(Promise.reject(failure), clock, bounds)).rejects.toBe(failure)
})

it('ends by its time-out', async () => {
  const clock = new HandClock()
  const waiting = boundedWait(never, clock, { timeoutMs: 100, timedOut })
  waiting.catch(() => undefined)
  await clock.advance(100)
  await expect(waiting).rejects.toBe(late)
})

it('ends by its signal', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const waiting = boundedWait(never, new HandClock(), { signal, timedOut })
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(waiting).rejects.toBe(reason)
})
