// The port to the garbage collector: being told that an object is gone, asking for a collection,
// and telling it what will stay.
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
  /**
   * What these functions make is about to be made in large numbers, and to stay: it may be put
   * where old objects lie at once. To be repeated before each such time, and while it lasts.
   * Absent: nothing would be gained.
   * @param makers  each with the one place where it makes them; called with 1.
   */
  tenure?(makers: readonly ((count: number) => object)[]): void
}
