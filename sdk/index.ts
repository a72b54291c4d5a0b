// The public surface of Virga: what `import … from 'virga'` gives. Nothing else is public.
export { init, isInitialized, shutdown } from './init.ts'
export { remote } from './remote.ts'
export { cancel, get, put, wait } from './get-put-wait.ts'
export { exitActor, getActor, kill } from './actors.ts'
export { limiter, inPlacementGroup, nodeAffinity } from '../runtime/common/option-values.ts'
export { runtimeContext } from './runtime-context.ts'
export * from '../runtime/common/errors.ts'
export * from '../runtime/common/surface.ts'
