// The port to what the engine knows of an array without a look at its items: that all of them are
// integers. Absent: nothing is known, and items are looked at one by one.
// The machine's own is integer-arrays-system.ts.

/**
 * Whether this is known to be an array of integers of 32 bits at most: a plain one, with
 * Array.prototype, without holes and without a property of its own beside its items.
 */
export type KnowsIntegers = (items: readonly unknown[]) => boolean
