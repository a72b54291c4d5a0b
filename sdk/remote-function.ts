// Remote functions: remote, run, options, map.
import { parseMapOptions } from '../runtime/common/call-options.ts'
import { UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import { withMore } from '../runtime/common/option-checks.ts'
import { parseTaskOptions, refuseNumReturns } from '../runtime/common/options.ts'
import { remoteFunctionOf } from '../runtime/common/remote-target.ts'
import { atCaller } from '../runtime/core-worker/call-site.ts'
import { FunctionKinds } from '../runtime/core-worker/function-calls.ts'
import type { FunctionDescriptor } from '../runtime/core-worker/functions.ts'
import { returnsOf, runOf } from '../runtime/core-worker/returns.ts'
import { currentWorker } from './current.ts'
import { mapSettled, mapValues } from './map.ts'
import { nameOf } from './shown-name.ts'
import { checkInputs, isIterable } from './source.ts'

interface Callable {
  remote(...args: unknown[]): unknown
  run(...args: unknown[]): unknown
  options(options: object): Callable
}

export function remoteFunction(descriptor: FunctionDescriptor, options: object): object {
  const spec = parseTaskOptions(options, () => `remote(${nameOf(descriptor)})`)
  const isStream = descriptor.isGenerator || descriptor.isAsyncGenerator
  if (isStream && spec.numReturns !== 1) refuseNumReturns(nameOf(descriptor), spec.numReturns)
  const kinds = new FunctionKinds(descriptor, spec)
  const calling = (method: string) => () => `${nameOf(descriptor)}.${method}()`
  const [callingRemote, callingRun] = [calling('remote'), calling('run')]
  const submit = (...args: unknown[]): unknown => {
    try {
      const worker = currentWorker(callingRemote)
      return returnsOf(worker, worker.submit(kinds.kindFor(worker), args))
    } catch (error) {
      throw atCaller(error, submit)
    }
  }
  const submitAndGet = (...args: unknown[]): unknown => {
    try {
      const worker = currentWorker(callingRun)
      return runOf(worker, worker.submit(kinds.kindFor(worker), args))
    } catch (error) {
      throw atCaller(error, submitAndGet)
    }
  }
  const shownAs = (members: object): object => remoteFunctionOf(() => nameOf(descriptor), members)
  const callable: Callable = {
    remote: submit,
    run: submitAndGet,
    options: (more) =>
      remoteFunction(descriptor, withMore(options, more, calling('options'))) as Callable,
  }
  if (isStream) {
    const refuse = (): never => {
      throw new UsageError(
        `${nameOf(descriptor)} is a generator function, which has no map: call remote() or run() ` +
          'for each input',
      )
    }
    return shownAs({ ...callable, map: refuse, mapSettled: refuse, mapRefs: refuse })
  }
  return shownAs({
    ...callable,
    map: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapValues(callable, checkInputs(inputs), parseMapOptions(o), rest),
    mapSettled: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapSettled(callable, checkInputs(inputs), parseMapOptions(o), rest),
    mapRefs: (inputs: Iterable<unknown>, ...rest: unknown[]) => {
      if (!isIterable(inputs, Symbol.iterator)) {
        throw new UsageError(`mapRefs() takes an iterable of inputs, got ${showValue(inputs)}`)
      }
      return Array.from(inputs, (input) => callable.remote(input, ...rest))
    },
  })
}
