// Public types: remote functions.
import type { MapOptions, TaskOptions } from './surface-options.ts'
import type {
  AnyFn,
  Arg,
  Args,
  First,
  IsStream,
  ObjectRef,
  Params,
  Ran,
  Result,
  Returns,
  Tail,
} from './surface-refs.ts'

/** One outcome of `mapSettled`: `index` counts inputs from 0. */
export type Settled<T> = { index: number } & (
  | { status: 'fulfilled'; value: T }
  | { status: 'rejected'; reason: unknown }
)

/** What is mapped over: values, or refs of them. A generator function has no map. */
type Listed<F> = IsStream<Result<F>> extends true ? never : Iterable<Arg<First<Params<F>>>>
type Inputs<F> =
  IsStream<Result<F>> extends true ? never : Listed<F> | AsyncIterable<Arg<First<Params<F>>>>

/**
 * A function that runs in the cluster. Each parameter of type T takes a T or an `ObjectRef<T>`.
 * N is the numReturns that was given, kept through `options`.
 */
export interface RemoteFunction<F extends AnyFn, N extends number = 1> {
  /**
   * Submit and return at once.
   * @throws UsageError before `init()`; SerializationError with the path of what cannot travel.
   */
  remote(...args: Args<Params<F>>): Returns<Result<F>, N>
  /** `remote`, then `get`; of a generator function, its items. */
  run(...args: Args<Params<F>>): Ran<Result<F>, N>
  /**
   * The same function with these options over those it has.
   * @throws UsageError for an option that is unknown or out of range.
   */
  options<const M extends number = N>(o: TaskOptions<M>): RemoteFunction<F, M>
  /**
   * Results for a possibly endless sequence of first arguments, the rest shared; reads ahead no
   * more than `inFlight` inputs. The first error ends it. Not for generator functions.
   */
  map(
    inputs: Inputs<F>,
    o?: MapOptions,
    ...rest: Args<Tail<Params<F>>>
  ): AsyncIterable<Awaited<Result<F>>>
  /** `map` that goes on after errors and tells each outcome. */
  mapSettled(
    inputs: Inputs<F>,
    o?: MapOptions,
    ...rest: Args<Tail<Params<F>>>
  ): AsyncIterable<Settled<Awaited<Result<F>>>>
  /** Submit one task per input in one batch, without waiting. */
  mapRefs(inputs: Listed<F>, ...rest: Args<Tail<Params<F>>>): ObjectRef<Awaited<Result<F>>>[]
}
