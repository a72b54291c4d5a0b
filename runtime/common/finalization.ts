// The port to the garbage collector: being told that an object is gone, and asking for a
// collection.
// Tests and simulation fire it by hand; the machine's own is finalization-system.ts.

export interface Finalization {
  /** Calls `gone` some time after `target` was collected, unless forgotten. Must not capture it. */
  watch(target: object, gone: () => void): void
  forget(target: object): void
  /** Asks for a collection now; it may do nothing. */
  collect(): void
}
