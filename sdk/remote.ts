// remote(): a function becomes a remote function, a class a remote class.
import { UsageError } from '../runtime/common/errors.ts'
import { isClass } from '../runtime/core-worker/function-kind.ts'
import { registerFunction } from '../runtime/core-worker/functions.ts'
import type {
  RemoteFunction,
  RemoteClass,
  TaskOptions,
  ActorOptions,
  AnyClass,
  AnyFn,
  MethodFn,
  MethodOptions,
  NOf,
  PublicNames,
} from '../runtime/common/surface.ts'
import { remoteClass } from './remote-class.ts'
import { remoteFunction } from './remote-function.ts'

/**
 * Make a function or class callable in the cluster. To be called at the top level of a module:
 * every worker imports that module too.
 * @throws UsageError for an option that is unknown or out of range; in the REPL, `node -e` and
 *   standard input, where there is no module to import.
 * Source: Ray python/ray/remote_function.py, python/ray/actor.py.
 */
export function remote<F extends AnyFn, const N extends number = 1>(
  fn: F,
  options?: TaskOptions<N>,
): RemoteFunction<F, N>
/**
 * Make a class's instances live in workers of their own. To be called at the top level of a module:
 * every worker imports that module too.
 * @throws UsageError as for functions.
 */
export function remote<C extends AnyClass, const MO extends MethodOptions<C> = {}>(
  Class: C,
  options?: ActorOptions<C, MO>,
): RemoteClass<
  ConstructorParameters<C>,
  {
    [K in PublicNames<InstanceType<C>>]: [fn: MethodFn<InstanceType<C>[K]>, numReturns: NOf<MO, K>]
  }
>
export function remote(target: AnyFn | AnyClass, options: object = {}): unknown {
  if (typeof target === 'function' && isClass(target)) {
    const descriptor = registerFunction(target, 'actor', 1)
    return remoteClass(descriptor, options)
  }
  const descriptor = registerFunction(target, 'task', 1)
  explainPlain(target as AnyFn)
  return remoteFunction(descriptor, options)
}

/** Inside `const f = remote(function f() { f.remote() })` the inner f is the plain function: say so
 *  instead of "f.remote is not a function". */
function explainPlain(fn: AnyFn): void {
  if (fn.name === '' || Object.hasOwn(fn, 'remote') || !Object.isExtensible(fn)) return
  for (const name of ['remote', 'run', 'options', 'map']) {
    Object.defineProperty(fn, name, {
      configurable: true,
      value: () => {
        throw new UsageError(
          `'${fn.name}' is the plain function here, not the remote one: a named function hides the ` +
            'constant of the same name inside itself. Give one of them another name.',
        )
      },
    })
  }
}
