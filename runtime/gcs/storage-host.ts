// The host's side of RemoteStorage: makes the calls of other raylets on the storage it has.
// Invariants:
//   GH1. A call that arrives twice is made once, also while the first is still running: both get
//       the answer of the first (F19, F21).
//       Also one that comes late, over a connection that was given up: its call has ended, so it is
//       refused. What it would write is older than what the client has written since.
//   GH2. What is remembered for a client is bounded: the calls it has not yet ended.
import { CapacityError, UsageError } from '../common/errors.ts'
import type { Storage } from './storage.ts'
import { perform, type StorageReply, type StorageRequest } from './storage-messages.ts'

/** Calls of one client since its oldest that is under way. A client waits before it has more. */
export const CALLS_IN_FLIGHT_MAX = 1024
/** Clients remembered; those that were silent longest go first. */
const CLIENTS_MAX = 4096

interface Client {
  /** Those it has not yet ended, by their numbers. */
  readonly calls: Map<number, Promise<StorageReply>>
  /** The highest it has told: all below this it has ended. */
  endedBelow: number
}

export class StorageHost {
  readonly #storage: Storage
  /** In the order of their last call. */
  readonly #clients = new Map<string, Client>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Answers the request `storage` of a Channel. */
  handle({ client: id, sequence, endedBelow, call }: StorageRequest): Promise<StorageReply> {
    const client = this.#clientOf(id)
    const { calls } = client
    client.endedBelow = Math.max(client.endedBelow, endedBelow)
    for (const ended of calls.keys()) if (ended < client.endedBelow) calls.delete(ended)
    if (sequence < client.endedBelow) {
      throw new UsageError(`call ${String(sequence)} to the GCS has ended: it is not made again`)
    }
    const known = calls.get(sequence)
    if (known !== undefined) return known // GH1
    if (calls.size >= CALLS_IN_FLIGHT_MAX) {
      throw new CapacityError(`${String(calls.size)} calls to the GCS are under way: wait for them`)
    }
    const reply = perform(this.#storage, call)
    calls.set(sequence, reply)
    return reply
  }

  #clientOf(id: string): Client {
    const client = this.#clients.get(id) ?? { calls: new Map(), endedBelow: 0 }
    this.#clients.delete(id)
    this.#clients.set(id, client)
    const [longestSilent] = this.#clients.keys()
    if (this.#clients.size > CLIENTS_MAX && longestSilent !== undefined) {
      this.#clients.delete(longestSilent)
    }
    return client
  }
}
