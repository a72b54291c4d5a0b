// Public types: refs and streams, and how a parameter or a result becomes one.
// Invariants:
//   SU1. A top-level ref argument is dereferenced, so a parameter that is itself a ref takes only
//       a ref to a ref.
//   SU2. Parameter tuples keep their shape: optional and rest elements and names survive.
//   SU3. ObjectRef is one symbol for the value and the type, and `virga` re-exports that very
//       symbol: an alias could not be named in the declarations of a user's package.

declare const valueOf: unique symbol

/**
 * A handle to a value that is there, or will be: what `f.remote()` and `put()` return.
 * Not thenable, on purpose: it could not be returned from an async function. Use `get(ref)`.
 * As a top-level argument of a task it stands for its value; inside a value it travels as a ref.
 * Made only by Virga. `JSON.stringify(ref)` throws.
 */
export abstract class ObjectRef<out T = unknown> {
  /** Exists for the type checker only. */
  declare readonly [valueOf]: T
  protected constructor() {
    // Only the core worker makes refs, through a subclass.
  }
  /** The ObjectId, 40 hex digits. */
  abstract readonly id: string
  /** `ObjectRef(id)`, for people. */
  abstract toString(): string
  /** Drop this handle now rather than when it is collected. A `get` of it: ObjectFreedError. */
  abstract free(): void
  /** The same as `free`, for `using ref = ...`. */
  abstract [Symbol.dispose](): void
}

/** What a remote generator returns: its items as refs, in order, each as soon as it is yielded. */
export interface ObjectRefStream<out Y> extends AsyncIterable<ObjectRef<Y>> {
  /** Done when the generator ends; fails with the error that ended it. */
  readonly completed: ObjectRef<void>
  /** The items as values: a `get` of each in turn. */
  values(): AsyncIterable<Y>
  /** Stop the generator. Items that were yielded before stay readable. */
  cancel(): Promise<void>
}

/** Any function at all. */
export type AnyFn = (...args: never[]) => unknown
/** Any class at all. */
export type AnyClass = new (...args: never) => object
/** Whether T is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false

/** SU1. What may be given for a parameter of type T. Not distributive over unions. */
export type Arg<T> =
  IsAny<T> extends true
    ? unknown
    : [T] extends [ObjectRef<infer _>]
      ? ObjectRef<T>
      : T | ObjectRef<T>
/** SU2. What may be given for the parameters P. */
export type Args<P extends readonly unknown[]> = { [K in keyof P]: Arg<P[K]> }
/** The parameters after the first. */
export type Tail<P extends readonly unknown[]> = P extends readonly []
  ? []
  : P extends readonly [unknown?, ...infer R]
    ? R
    : P extends readonly (infer E)[]
      ? E[]
      : []
/** The first parameter. */
export type First<P extends readonly unknown[]> = P extends readonly [] ? never : P[0]
/** The parameters of a function. */
export type Params<F> = F extends (...args: infer P) => unknown ? P : never
/** What a function returns. */
export type Result<F> = F extends (...args: never[]) => infer R ? R : never

type AnyGenerator = AsyncGenerator<unknown, unknown, never> | Generator<unknown, unknown, never>
type Yielded<R> = R extends
  | AsyncGenerator<infer Y, unknown, never>
  | Generator<infer Y, unknown, never>
  ? Y
  : never
/** Whether a result is a stream: that of a generator function. */
export type IsStream<R> =
  IsAny<R> extends true
    ? false
    : [R] extends [never]
      ? false
      : [R] extends [AnyGenerator]
        ? true
        : false

type Elem<R, I extends number> = R extends readonly unknown[]
  ? number extends R['length']
    ? R[number]
    : R[I]
  : never
type RefTuple<R, N extends number, Acc extends unknown[] = []> = Acc['length'] extends N
  ? Acc
  : Acc['length'] extends 32
    ? ObjectRef<unknown>[]
    : RefTuple<R, N, [...Acc, ObjectRef<Elem<R, Acc['length'] & number>>]>
type MultiRefs<R, N extends number> = number extends N
  ? ObjectRef<R extends readonly (infer E)[] ? E : unknown>[]
  : RefTuple<R, N>

/**
 * What `.remote()` gives for a result R and numReturns N: a stream for a generator, undefined
 * for 0, one ref for 1, a tuple of refs for a literal N, an array of refs for a `number`.
 */
export type Returns<R, N extends number = 1> =
  IsStream<R> extends true
    ? ObjectRefStream<Yielded<R>>
    : [N] extends [0]
      ? undefined
      : [N] extends [1]
        ? ObjectRef<Awaited<R>>
        : MultiRefs<Awaited<R>, N>

/** What `.run()` gives: the values themselves, and for a generator its items. */
export type Ran<R, N extends number = 1> =
  IsStream<R> extends true
    ? AsyncIterable<Yielded<R>>
    : [N] extends [0]
      ? Promise<undefined>
      : Promise<Awaited<R>>

/** The values of a tuple of refs. */
export type Values<R extends readonly ObjectRef[]> = {
  -readonly [K in keyof R]: R[K] extends ObjectRef<infer T> ? T : never
}

/** Options of `get`. */
export interface GetOptions {
  /** Milliseconds to wait, then GetTimeoutError; 0 polls. Default: for ever. */
  timeoutMs?: number
  /** Ends the wait with `signal.reason`. The task goes on. */
  signal?: AbortSignal
  /** Give plain arrays rather than views of shared memory. Default false. */
  copy?: boolean
}

/** Options of `wait`. */
export interface WaitOptions {
  /** How many refs must be ready, 1 to the number of refs. Default 1. */
  numReturns?: number
  /** Milliseconds to wait, then what is ready by then; 0 polls. Default: for ever. */
  timeoutMs?: number
  /** Ready means: its bytes are on this node. Default true. */
  fetchLocal?: boolean
  /** Ends the wait with `signal.reason`. */
  signal?: AbortSignal
}

/** Options of `cancel`. */
export interface CancelOptions {
  /** Kill the worker, rather than abort the task's signal. Default false. */
  force?: boolean
  /** Cancel what the task submitted, too. Default true. */
  recursive?: boolean
}
