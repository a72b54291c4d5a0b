// registerType(): the user's own classes inside values. Called at the top level of a module, so
// that every worker has them too; a codec made later gets what was registered before.
import type { ValueCodec } from '../runtime/protocol/value-codec.ts'
import type { TypeCodec } from '../runtime/protocol/value-codec.ts'
import { findWorker } from './current.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a class may take any arguments
type AnyClass<T> = abstract new (...args: any[]) => T
type Apply = (codec: ValueCodec) => void

const KEY = Symbol.for('virga.types')

/** On globalThis: two copies of the package, and a worker's main, share it. */
function types(): Apply[] {
  const shared = globalThis as unknown as Record<symbol, Apply[] | undefined>
  return (shared[KEY] ??= [])
}

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
  types().push(apply)
  const worker = findWorker()
  if (worker !== undefined) apply(worker.codec)
}

export const extendCodec: Apply = (codec) => {
  for (const apply of types()) apply(codec)
}
