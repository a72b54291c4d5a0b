// The port to the garbage collector: being told that an object is gone, and asking for a
// collection.
// Tests and simulation fire it by hand; the machine's own is finalization-system.ts.

/** Does not keep what it points at alive. */
export interface Weak<T extends object> {
  /** Undefined once it was collected. */
  deref(): T | undefined
}

export interface Finalization {
  /** Calls `gone` some time after `target` was collected, unless forgotten. Must not capture it. */
  watch(target: object, gone: () => void): void
  forget(target: object): void
  weak<T extends object>(target: T): Weak<T>
  /** Asks for a collection now; it may do nothing. */
  collect(): void
}
