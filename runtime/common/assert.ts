// Assertions stay on in production. They find bugs of Virga; what is expected to happen has a
// VirgaError instead. A failed assertion is never caught: the process ends and its node or worker
// is treated as lost, which every other process knows how to survive.
// Source: TigerBeetle docs/TIGER_STYLE.md, on assertions.

/** A bug of Virga itself. No member of the VirgaError family, on purpose. */
export class AssertionError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'AssertionError', configurable: true })
  }
}

/**
 * Check what must be true.
 * @param message  what was expected and the values that deny it, for whoever reads the crash.
 * @throws AssertionError when `condition` is false.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(`${message} (a bug of Virga, please report it)`)
}

/** The end of an exhaustive switch. Compiles only while every case is handled above. */
export function unreachable(value: never): never {
  throw new AssertionError(`unhandled case ${String(value)} (a bug of Virga, please report it)`)
}
