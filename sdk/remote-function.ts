// Remote functions: remote, run, options, map.
import { parseMapOptions } from '../runtime/common/call-options.ts'
import { UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import { parseTaskOptions } from '../runtime/common/options.ts'
import { FunctionKinds } from '../runtime/core-worker/function-calls.ts'
import type { FunctionDescriptor } from '../runtime/core-worker/functions.ts'
import { returnsOf, runOf } from '../runtime/core-worker/returns.ts'
import { currentWorker } from './current.ts'
import { isIterable, mapSettled, mapValues } from './map.ts'

interface Callable {
  remote(...args: unknown[]): unknown
  run(...args: unknown[]): unknown
  options(options: object): Callable
}

export function remoteFunction(descriptor: FunctionDescriptor, options: object): object {
  const kinds = new FunctionKinds(descriptor, parseTaskOptions(options))
  const callable: Callable = {
    remote(...args) {
      const worker = currentWorker(`${descriptor.name}.remote()`)
      return returnsOf(worker, worker.submit(kinds.kindFor(worker), args))
    },
    run(...args) {
      const worker = currentWorker(`${descriptor.name}.run()`)
      return runOf(worker, worker.submit(kinds.kindFor(worker), args))
    },
    options: (more) => remoteFunction(descriptor, { ...options, ...more }) as Callable,
  }
  return Object.freeze({
    ...callable,
    map: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapValues(callable, inputs, parseMapOptions(o), rest),
    mapSettled: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapSettled(callable, inputs, parseMapOptions(o), rest),
    mapRefs: (inputs: Iterable<unknown>, ...rest: unknown[]) => {
      if (!isIterable(inputs, Symbol.iterator)) {
        throw new UsageError(`mapRefs() takes an iterable of inputs, got ${showValue(inputs)}`)
      }
      return Array.from(inputs, (input) => callable.remote(input, ...rest))
    },
  })
}
