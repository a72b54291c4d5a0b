// The host's side of RemoteStorage: makes the calls of other raylets on the storage it has.
// Invariants:
//   GH1. A call that arrives twice is made once, also while the first is still running: both get
//       the answer of the first (F19, F21).
//   GH2. What is remembered for a client is bounded: the calls it has not yet ended.
import { CapacityError } from '../common/errors.ts'
import type { Storage } from './storage.ts'
import { perform, type StorageReply, type StorageRequest } from './storage-messages.ts'

/** Calls of one client since its oldest that is under way. A client waits before it has more. */
export const CALLS_IN_FLIGHT_MAX = 1024
/** Clients remembered; those that were silent longest go first. */
const CLIENTS_MAX = 4096

export class StorageHost {
  readonly #storage: Storage
  /** In the order of their last call. */
  readonly #clients = new Map<string, Map<number, Promise<StorageReply>>>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Answers the request `storage` of a Channel. */
  handle({ client, sequence, endedBelow, call }: StorageRequest): Promise<StorageReply> {
    const calls = this.#callsOf(client)
    for (const ended of calls.keys()) if (ended < endedBelow) calls.delete(ended)
    const known = calls.get(sequence)
    if (known !== undefined) return known // GH1
    if (calls.size >= CALLS_IN_FLIGHT_MAX) {
      throw new CapacityError(`${String(calls.size)} calls to the GCS are under way: wait for them`)
    }
    const reply = perform(this.#storage, call)
    calls.set(sequence, reply)
    return reply
  }

  #callsOf(client: string): Map<number, Promise<StorageReply>> {
    const calls = this.#clients.get(client) ?? new Map<number, Promise<StorageReply>>()
    this.#clients.delete(client)
    this.#clients.set(client, calls)
    const [longestSilent] = this.#clients.keys()
    if (this.#clients.size > CLIENTS_MAX && longestSilent !== undefined) {
      this.#clients.delete(longestSilent)
    }
    return calls
  }
}
