// The functions of the SDK as bare declarations over the types of surface.ts. Shows, without the
// SDK, that those types alone keep the promises of assert.ts, in source and as emitted .d.ts.
import type {
  ActorHandle,
  ActorOptions,
  AnyActorHandle,
  AnyClass,
  AnyFn,
  CancelOptions,
  Cluster,
  GetOptions,
  InitOptions,
  KillOptions,
  Limiter,
  LimiterOptions,
  MethodFn,
  MethodOptions,
  Methods,
  NOf,
  NamespaceOptions,
  ObjectRef,
  ObjectRefStream,
  PublicNames,
  RemoteClass,
  RemoteFunction,
  TaskOptions,
  UntypedMethods,
  Values,
  WaitOptions,
} from '../../runtime/common/surface.ts'

export * from '../../runtime/common/surface.ts'

export declare function remote<F extends AnyFn, const N extends number = 1>(
  fn: F,
  options?: TaskOptions<N>,
): RemoteFunction<F, N>
export declare function remote<C extends AnyClass, const MO extends MethodOptions<C> = {}>(
  Class: C,
  options?: ActorOptions<C, MO>,
): RemoteClass<
  ConstructorParameters<C>,
  {
    [K in PublicNames<InstanceType<C>>]: [fn: MethodFn<InstanceType<C>[K]>, numReturns: NOf<MO, K>]
  }
>
export declare function getActor<C extends AnyClass = never>(
  name: string,
  o?: NamespaceOptions,
): Promise<ActorHandle<[C] extends [never] ? UntypedMethods : Methods<C>>>
export declare function kill(handle: AnyActorHandle, o?: KillOptions): Promise<void>
export declare function exitActor(): never
export declare function put<T>(value: T): Promise<ObjectRef<T>>
export declare function get<T>(ref: ObjectRef<T>, o?: GetOptions): Promise<T>
export declare function get<const R extends readonly ObjectRef[]>(
  refs: R,
  o?: GetOptions,
): Promise<Values<R>>
export declare function wait<R extends ObjectRef>(
  refs: readonly R[],
  o?: WaitOptions,
): Promise<[ready: R[], pending: R[]]>
export declare function cancel(
  target: ObjectRef | ObjectRefStream<unknown>,
  o?: CancelOptions,
): Promise<void>
export declare function init(options?: InitOptions): Promise<Cluster>
export declare function limiter(name: string, o: LimiterOptions): Limiter
