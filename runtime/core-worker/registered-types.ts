// registerType(): the user's own classes inside values. Called at the top level of a module, so
// that every worker has them too; a codec made later gets what was registered before.
import type { TypeCodec, ValueCodec } from '../protocol/value-codec.ts'
import type { CoreWorker } from './core-worker.ts'
import { registry } from './registry-system.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a class may take any arguments
type AnyClass<T> = abstract new (...args: any[]) => T
type Apply = (codec: ValueCodec) => void

/**
 * Let instances of a class travel in values.
 * @param codec  name: the same in every process; encode: to a plain value; decode: back.
 */
export function registerType<T extends object, E>(
  Class: AnyClass<T>,
  codec: TypeCodec<T, E>,
): void {
  const apply: Apply = (target) => {
    target.registerType(Class, codec)
  }
  const shared = registry()
  shared.types.push(apply)
  const worker = shared.currentCoreWorker as CoreWorker | undefined
  if (worker !== undefined) apply(worker.codec)
}

export const extendCodec: Apply = (codec) => {
  for (const apply of registry().types) (apply as Apply)(codec)
}
