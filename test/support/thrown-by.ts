// The error that a call throws at once, for tests that look at more of it than its class.

/** What `run` throws, of that class. Whatever else it throws fails the test, as does nothing. */
export function thrownBy<E extends Error>(
  run: () => unknown,
  type: abstract new (...args: never[]) => E,
): E {
  let value: unknown
  try {
    value = run()
  } catch (error) {
    if (error instanceof type) return error
    throw error
  }
  throw new Error(`expected ${type.name}, got the value ${String(value)}`)
}
