// Why an object whose copies are gone was not made again, as people read it.
import {
  ObjectCorruptedError,
  ObjectLostError,
  type ErrorData,
  type VirgaError,
} from '../common/errors.ts'
import { PUT_INDEX_FIRST, TASK_ID_BYTES, toBytes, toHex, type ObjectId } from '../common/ids.ts'
import type { KeptTask } from './lineage.ts'

/** `data.reason` of the error, and what it names. */
export type WhyLost =
  | { readonly reason: 'PUT' | 'LINEAGE_DROPPED' }
  | { readonly reason: 'NO_RETRIES' | 'RETRIES_USED_UP' | 'ACTOR_GONE'; readonly kept: KeptTask }
  | { readonly reason: 'UNREADABLE' | 'NOT_GIVEN_AGAIN' }

/**
 * Why the task of an object cannot be run again; undefined: it can be.
 * @param isCharged  whether that uses up one of its retries.
 */
export function whyNotAgain(
  objectId: ObjectId,
  kept: KeptTask | undefined,
  isCharged: boolean,
): WhyLost | undefined {
  if (kept?.spec !== undefined) {
    const isOver = isCharged && kept.spec.retriesLeft === 0
    return isOver ? { reason: 'RETRIES_USED_UP', kept } : undefined
  }
  if (isPut(objectId)) return { reason: 'PUT' }
  return kept === undefined ? { reason: 'LINEAGE_DROPPED' } : { reason: 'NO_RETRIES', kept }
}

/** @param cause  what the reader was told. Bytes that are damaged everywhere stay that error. */
export function lostError(
  objectId: ObjectId,
  why: WhyLost,
  cause: VirgaError | undefined,
): VirgaError {
  const id = toHex(objectId)
  const data: ErrorData = { ...cause?.data, objectId: id, reason: why.reason, ...named(why) }
  const again = `It was not made again: ${textOf(why)}`
  if (cause instanceof ObjectCorruptedError) {
    return new ObjectCorruptedError(`${cause.message} ${again}`, { cause: cause.cause, data })
  }
  return new ObjectLostError(`no copy of object ${id} is left. ${again}`, { cause, data })
}

const isPut = (objectId: ObjectId): boolean =>
  toBytes(objectId).readUInt32LE(TASK_ID_BYTES) >= PUT_INDEX_FIRST

function named(why: WhyLost): ErrorData {
  return 'kept' in why ? { task: why.kept.name, maxRetries: why.kept.maxRetries } : {}
}

function textOf(why: WhyLost): string {
  switch (why.reason) {
    case 'PUT':
      return 'it was put(), or passed as a large argument, and only results of tasks can be made again. Return it from a task.'
    case 'LINEAGE_DROPPED':
      return 'how to make it was dropped, the oldest first, as all that takes too much memory. Keep fewer results that depend on each other, or put() one of them between.'
    case 'NO_RETRIES':
      return why.kept.isActorCall
        ? `it is a result of the actor call ${why.kept.name}, which may run again only with maxTaskRetries.`
        : `${why.kept.name} has maxRetries: 0, so it may not run again.`
    case 'RETRIES_USED_UP':
      return `${why.kept.name} has used up its maxRetries of ${String(why.kept.maxRetries)}. Raise it if nodes are lost that often.`
    case 'ACTOR_GONE':
      return `it is a result of the actor call ${why.kept.name}, and nobody has a handle of that actor any more.`
    case 'NOT_GIVEN_AGAIN':
      return 'its stream was run again, and ended before it. A stream must give the same items each time.'
    case 'UNREADABLE':
      return 'a node says that it has a copy, and yet that could not be read from here. Look at the network between the nodes.'
  }
}
