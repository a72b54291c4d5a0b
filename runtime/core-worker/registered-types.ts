// registerType(): the user's own classes inside values. Called at the top level of a module, so
// that every worker has them too; a codec made later gets what was registered before.
import { ValueCodec, type AnyClass, type TypeCodec } from '../protocol/value-codec.ts'
import type { CoreWorker } from './core-worker.ts'
import { registry } from './registry-system.ts'

interface Apply {
  (codec: ValueCodec): void
  /** Set for a class of Virga's own. */
  ownName?: string
}

/** Refuses where it is called what a codec would refuse in init(). */
const beforeInit = new ValueCodec()

/**
 * Let instances of a class travel in values.
 * @param codec  name: the same in every process; encode: to a plain value; decode: back.
 * @throws UsageError for what is no class or codec, is built in, or is registered otherwise.
 */
export function registerType<T extends object, E>(
  Class: AnyClass<T>,
  codec: TypeCodec<T, E>,
): void {
  registerApply((target) => {
    target.registerType(Class, codec)
  })
}

function registerApply(apply: Apply): void {
  const shared = registry()
  const worker = shared.currentCoreWorker as CoreWorker | undefined
  // May refuse it: then no later codec gets it either.
  apply(worker?.codec ?? beforeInit)
  shared.types.push(apply)
}

/**
 * A class of Virga's own. Where a process loads two copies of the package, that of the copy loaded
 * last travels; a user's class registered twice is an error instead.
 */
export function registerOwnType<T extends object, E>(
  Class: AnyClass<T>,
  codec: TypeCodec<T, E>,
): void {
  const { types } = registry()
  const at = (types as Apply[]).findIndex(({ ownName }) => ownName === codec.name)
  const apply: Apply = (target) => {
    target.registerType(Class, codec)
  }
  apply.ownName = codec.name
  if (at >= 0) types[at] = apply
  else registerApply(apply)
}

export const extendCodec: Apply = (codec) => {
  for (const apply of registry().types) (apply as Apply)(codec)
}
