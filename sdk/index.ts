// The public surface of Virga: what `import … from 'virga'` gives. Nothing else is public.
export { init, isInitialized, shutdown } from './init.ts'
export { remote } from './remote.ts'
export { cancel, get, put, wait } from './get-put-wait.ts'
export { exitActor, getActor, kill } from './actors.ts'
export { limiter } from './limiter.ts'
export { inPlacementGroup, nodeAffinity } from '../runtime/common/option-values.ts'
export { runtimeContext } from './runtime-context.ts'
export { availableResources, clusterResources, nodes } from './cluster-state.ts'
export { getPlacementGroup, placementGroup } from './placement-group.ts'
export { ActorPool, type PoolCall } from './actor-pool.ts'
export { Queue, type QueueOptions } from './queue.ts'
export {
  JobClient,
  type JobClientOptions,
  type JobInfo,
  type JobStatus,
  type JobSubmission,
} from './job-client.ts'
export { registerType } from '../runtime/core-worker/registered-types.ts'
export * from '../runtime/common/errors.ts'
export * from '../runtime/common/surface.ts'
