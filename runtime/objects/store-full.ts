// What a client is told that finds the store full: how much is missing, and who holds the rest.
import { CapacityError, ObjectStoreFullError } from '../common/errors.ts'
import { blockBytesOf } from './arena.ts'
import type { StoreState } from './store-entry.ts'

/** Requests that wait for room, at most; each has a waiting client. */
export const ROOM_QUEUE_MAX = 10_000

/** Holders that are named, those of most bytes first. */
const HOLDERS_NAMED_MAX = 5

export interface Holder {
  /** In the words of StoreOptions.describeClient. */
  readonly client: string
  readonly objectCount: number
  /** Of the arena. An object that several hold counts for each. */
  readonly heldBytes: number
}

/** Who keeps objects in the arena, by mapping them or by making them; most bytes first. */
function holdersOf(state: StoreState): Holder[] {
  const held = new Map<string, { objectCount: number; heldBytes: number }>()
  const add = (clientId: string, sizeBytes: number): void => {
    const sum = held.get(clientId) ?? { objectCount: 0, heldBytes: 0 }
    sum.objectCount += 1
    sum.heldBytes += blockBytesOf(sizeBytes)
    held.set(clientId, sum)
  }
  for (const [clientId, groups] of state.pins) {
    for (const { entries } of groups.values()) {
      for (const { offset, sizeBytes } of entries)
        if (offset !== undefined) add(clientId, sizeBytes)
    }
  }
  for (const { creator, offset, sizeBytes } of state.creating.values()) {
    if (offset !== undefined) add(creator, sizeBytes)
  }
  const { describeClient } = state.options
  return [...held]
    .toSorted(([, one], [, other]) => other.heldBytes - one.heldBytes)
    .slice(0, HOLDERS_NAMED_MAX)
    .map(([clientId, sum]) => ({ client: describeClient?.(clientId) ?? clientId, ...sum }))
}

/** For a request that has waited long enough. `data.holders` is what `holdersOf` gives. */
export function fullError(state: StoreState, sizeBytes: number): ObjectStoreFullError {
  const { capacityBytes, pinnedBytes, options, spillError, arena } = state
  const holders = holdersOf(state)
  const waitedS = options.fullTimeoutMs / 1000
  const inUse = holders.map(
    ({ client, objectCount, heldBytes }) => `${heldBytes} B in ${objectCount} by ${client}`,
  )
  const cannotSpill =
    spillError instanceof CapacityError ? `It cannot spill: ${spillError.message} ` : ''
  const heldBy =
    inUse.length === 0 ? '' : `In use by gets, arguments and puts: ${inUse.join(', ')}. `
  return new ObjectStoreFullError(
    `The object store is full: ${sizeBytes} B were asked for, ${arena.freeBytes} of ` +
      `${capacityBytes} B are free, and nothing was freed or spilled for ${waitedS} s. ` +
      `${cannotSpill}${heldBy}Drop refs and arrays that you no longer need, or make the store ` +
      'larger.',
    { cause: spillError, data: { sizeBytes, capacityBytes, pinnedBytes, holders } },
  )
}

/** For an object that can never fit. */
export function tooLarge(sizeBytes: number, capacityBytes: number): ObjectStoreFullError {
  return new ObjectStoreFullError(
    `An object of ${sizeBytes} B is larger than the object store of ${capacityBytes} B, ` +
      'and there is no place to spill it to. Make it smaller, or the store larger.',
    { data: { sizeBytes, capacityBytes } },
  )
}

/** For a request that finds too many others waiting already. */
export function lineFull(sizeBytes: number, capacityBytes: number): ObjectStoreFullError {
  return new ObjectStoreFullError(
    `The object store is full, and ${ROOM_QUEUE_MAX} requests for room wait already. Put less at ` +
      'a time.',
    { data: { sizeBytes, capacityBytes } },
  )
}
