// Public types: remote classes and handles of actors. A handle's type is a table from method
// name to [function, numReturns], spelled out and never by way of the class, so that declarations
// can be emitted for classes with private members.
import type { ActorOptions, CallOptions, PublicNames } from './surface-options.ts'
import type { AnyClass, AnyFn, Args, Params, Ran, Result, Returns } from './surface-refs.ts'

/** The numReturns that ActorOptions.methods gives method K. */
export type NOf<MO, K> = K extends keyof MO
  ? MO[K] extends { numReturns: infer N extends number }
    ? N
    : 1
  : 1
/** A method as a plain function. */
export type MethodFn<F> = F extends (...args: infer P) => infer R ? (...args: P) => R : never
/** The method table of class C. */
export type Methods<C extends AnyClass, MO = {}> = {
  [K in PublicNames<InstanceType<C>>]: [fn: MethodFn<InstanceType<C>[K]>, numReturns: NOf<MO, K>]
}
/** The method table of an actor whose class is not known. */
// oxlint-disable-next-line typescript/no-explicit-any -- sdk.md: results of unknown methods are any
export type UntypedMethods = Record<string, [fn: (...args: unknown[]) => any, numReturns: 1]>

/** A public method of an actor. */
export interface RemoteMethod<F extends AnyFn, N extends number = 1> {
  /**
   * Submit and return at once; calls of one caller run in its order.
   * @throws SerializationError; PendingCallsLimitError when too many calls pend.
   */
  remote(...args: Args<Params<F>>): Returns<Result<F>, N>
  /** `remote`, then `get`; of a generator method, its items. */
  run(...args: Args<Params<F>>): Ran<Result<F>, N>
  /** @throws UsageError for an option that is unknown or out of range. */
  options<const M extends number = N>(o: CallOptions<M>): RemoteMethod<F, M>
}

declare const methodsOf: unique symbol

/**
 * A handle to an actor: its public methods, and nothing else. Travels in arguments and results.
 * Not thenable. The actor ends with its last handle, unless it is detached.
 */
export type ActorHandle<M> = {
  readonly [K in keyof M]: M[K] extends [infer F extends AnyFn, infer N extends number]
    ? RemoteMethod<F, N>
    : never
} & { readonly [methodsOf]: M }

/** Any handle at all: what `kill` takes. */
export interface AnyActorHandle {
  readonly [methodsOf]: unknown
}

/** A class whose instances live in workers of their own. A is its constructor's parameters. */
export interface RemoteClass<A extends readonly unknown[], M> {
  /** Make an actor and return its handle at once; a failure is told by its first call. */
  remote(...args: Args<A>): ActorHandle<M>
  /**
   * Make an actor and wait until it is constructed.
   * @throws ActorDiedError, with the constructor's TaskError as cause; ActorAlreadyExistsError.
   */
  create(...args: Args<A>): Promise<ActorHandle<M>>
  /** @throws UsageError for an option that is unknown or out of range. */
  options(o: ActorOptions): RemoteClass<A, M>
  /** @throws ActorNotFoundError when no living actor has that name. */
  get(name: string, o?: NamespaceOptions): Promise<ActorHandle<M>>
}

/** Where a name of an actor is looked up. */
export interface NamespaceOptions {
  /** Default: the namespace of `init`. */
  namespace?: string
}

/** Options of `kill`. */
export interface KillOptions {
  /** Do not restart it, whatever maxRestarts says. Default true. */
  noRestart?: boolean
}
