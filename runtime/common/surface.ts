/// <reference types="node" preserve="true" />
// The public types of `virga`, in one import. The functions that go with them are in sdk/.
// Invariant: whatever the type of an exported remote function or class can mention is exported
// from `virga` as this very symbol, else a user's package cannot emit declarations.
export { ObjectRef } from './surface-refs.ts'
export type {
  AnyClass,
  AnyFn,
  Arg,
  Args,
  CancelOptions,
  GetOptions,
  ObjectRefStream,
  Params,
  Ran,
  Result,
  Returns,
  Values,
  WaitOptions,
} from './surface-refs.ts'
export type {
  ActorOptions,
  CallOptions,
  ErrorClass,
  InitOptions,
  Limiter,
  MapOptions,
  MethodOption,
  MethodOptions,
  NodeAffinity,
  PlacementGroupOptions,
  PlacementGroupStrategy,
  PublicNames,
  Resources,
  RuntimeEnv,
  TaskOptions,
} from './surface-options.ts'
export type { RemoteFunction, Settled } from './surface-tasks.ts'
export type {
  ActorHandle,
  AnyActorHandle,
  KillOptions,
  MethodFn,
  Methods,
  NOf,
  NamespaceOptions,
  RemoteClass,
  RemoteMethod,
  UntypedMethods,
} from './surface-actors.ts'
export type {
  Cluster,
  LimiterOptions,
  NodeInfo,
  PlacementGroup,
  RuntimeContext,
} from './surface-cluster.ts'
