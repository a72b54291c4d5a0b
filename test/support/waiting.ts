// Waiting in tests: for a condition, with a bound and no fixed sleep; and for an expected error.
import { expect } from 'vitest'

const LIMIT_MS = 60_000

/** Waits until `condition` holds. @throws after 60 s, or `limitMs` where more is promised. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await condition())) {
    if (Date.now() > end)
      throw new Error(`not within ${String(limitMs)} ms: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The error a promise rejects with, of that class. Fails when it resolves. */
export async function caught<E extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => E,
): Promise<E> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    expect(error).toBeInstanceOf(type)
    return error as E
  }
  throw new Error(`expected ${type.name}, got the value ${JSON.stringify(value)}`)
}
