// Long arrays of values that stay: a task's ten thousand lists, or what one get gives, live all at
// once. Made like others, V8 would copy each of them twice until it had them among what is old,
// which takes longer than to decode them. So they are made at places of their own, which the
// collector is told of (Finalization.tenure) before many are made.
// Source: V8 pretenuring-handler.cc.

/** So many encoded bytes that live at once are worth the few tenths of a millisecond for telling. */
export const LASTING_BYTES_MIN = 4 * 1024 * 1024

/** What an array comes to hold: V8 makes them differently (value-codec-numbers.ts). */
export type ArrayKind = 'integers' | 'doubles' | 'others'

// Three functions, because V8 learns by the place in the program.
const makers: Readonly<Record<ArrayKind, (count: number) => unknown[]>> = {
  integers: (count) => new Array<unknown>(count),
  doubles: (count) => new Array<unknown>(count),
  others: (count) => new Array<unknown>(count),
}

/** An array of `count` holes. */
export function lastingArray(kind: ArrayKind, count: number): unknown[] {
  return makers[kind](count)
}

/** For Finalization.tenure. */
export const LASTING_MAKERS: readonly ((count: number) => unknown[])[] = Object.values(makers)
