// Objects: put, get, wait, cancel.
import {
  parseCancelOptions,
  parseGetOptions,
  parseWaitOptions,
} from '../runtime/common/call-options.ts'
import { UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import type {
  CancelOptions,
  GetOptions,
  ObjectRef,
  ObjectRefStream,
  Values,
  WaitOptions,
} from '../runtime/common/surface.ts'
import { isObjectRef } from '../runtime/core-worker/object-ref.ts'
import { RefStream } from '../runtime/core-worker/returns.ts'
import { currentWorker } from './current.ts'

/**
 * Store a value and get a ref to it. Resolves when it is stored; waits while the store is full.
 * Arrays above 100 KiB are copied until then: change none before.
 * @throws SerializationError, ObjectTooLargeError, ObjectStoreFullError.
 */
export async function put<T>(value: T): Promise<ObjectRef<T>> {
  return (await currentWorker('put()').values.put(value)) as ObjectRef<T>
}

/**
 * The value of a ref; waits until it is there.
 * @param o  timeoutMs: default none, 0 polls; signal: rejects with its reason; copy: never a view
 *   of shared memory.
 * @throws what the task threw, as TaskError; GetTimeoutError; ObjectFreedError; the lost kinds.
 */
export function get<T>(ref: ObjectRef<T>, o?: GetOptions): Promise<T>
/**
 * The values of refs, in their order; the first failure is thrown at once.
 * @param o  as for one ref; timeoutMs is for all together.
 * @throws as for one ref.
 */
export function get<const R extends readonly ObjectRef[]>(
  refs: R,
  o?: GetOptions,
): Promise<Values<R>>
export async function get(
  refs: ObjectRef | readonly ObjectRef[],
  o?: GetOptions,
): Promise<unknown> {
  const { getter } = currentWorker('get()')
  const options = parseGetOptions(o)
  if (isObjectRef(refs)) return await getter.getOne(refs, options)
  if (!Array.isArray(refs)) throw notRef('get()', refs, 'an ObjectRef, or an array of them')
  for (const ref of refs)
    if (!isObjectRef(ref)) throw notRef('get()', ref, 'an array of ObjectRefs')
  return await getter.getMany(refs as ObjectRef[], options)
}

/**
 * Wait until numReturns (1) of the refs are ready, or timeoutMs is over (0 polls). A ref is ready
 * once its task has ended, well or not, wherever its value lies: wait reads nothing, as Ray's with
 * `fetch_local=False`. What was lost with its node after that is noticed, and made again, by get.
 * @returns at most numReturns ready refs, and the others; both in the order given.
 * @throws UsageError for the same ref twice, or a numReturns that cannot be.
 */
export async function wait<R extends ObjectRef>(
  refs: readonly R[],
  o?: WaitOptions,
): Promise<[ready: R[], pending: R[]]> {
  const worker = currentWorker('wait()')
  if (!Array.isArray(refs))
    throw new UsageError(`wait() takes an array of refs, got ${showValue(refs)}`)
  for (const ref of refs as unknown[])
    if (!isObjectRef(ref)) throw notRef('wait()', ref, 'an array of ObjectRefs')
  const options = parseWaitOptions(o, refs.length)
  return (await worker.getter.wait(refs, options)) as [R[], R[]]
}

/**
 * Cancel the task that makes this object: `get` then throws TaskCancelledError at once.
 * @param o  force (false): kill its worker; recursive (true): cancel what it submitted.
 * @throws UsageError for the call of an actor by force: its worker is the actor.
 */
export async function cancel(
  target: ObjectRef | ObjectRefStream<unknown>,
  o?: CancelOptions,
): Promise<void> {
  const options = parseCancelOptions(o)
  const worker = currentWorker('cancel()')
  if (options.force && worker.options.welcome.arena.kind === 'memory') {
    throw new UsageError(
      'cancel({ force: true }) ends a process, and inline mode has none: leave force out',
    )
  }
  const ref: unknown = target instanceof RefStream ? target.completed : target
  if (!isObjectRef(ref)) throw notRef('cancel()', target, 'an ObjectRef or a stream')
  worker.cancel(ref, options)
}

function notRef(call: string, value: unknown, wanted: string): UsageError {
  const hint = value instanceof Promise ? '; await the promise first' : ''
  return new UsageError(`${call} takes ${wanted}, got ${showValue(value)}${hint}`)
}
