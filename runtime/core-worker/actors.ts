// The actors that this process calls: a client for each, told of every change of its actor, and
// limits to what may be pending there.
import { toWire } from '../common/error-wire.ts'
import { PendingCallsLimitError, type VirgaError } from '../common/errors.ts'
import type { ActorId } from '../common/ids.ts'
import type { ActorInfo, ActorView } from '../protocol/actor-messages.ts'
import { ActorClient, type ActorClientDeps } from './actor-client.ts'
import type { TaskRecord } from './task-record.ts'

export interface ActorsDeps extends Omit<ActorClientDeps, 'lookAgain'> {
  watch(info: ActorInfo): Promise<ActorView>
}

export class Actors {
  readonly #deps: ActorsDeps
  readonly #clientDeps: ActorClientDeps
  /** Actors with a handle or a pending call here. */
  readonly #clients = new Map<ActorId, ActorClient>()

  constructor(deps: ActorsDeps) {
    this.#deps = deps
    const lookAgain = (info: ActorInfo): void => {
      this.#look(info)
    }
    this.#clientDeps = { ...deps, lookAgain }
  }

  /** Queues a call; its record is made by `make`, after the limit was checked. */
  call(info: ActorInfo, make: () => TaskRecord): TaskRecord {
    const client = this.#client(info)
    const { className, maxPendingCalls } = info
    if (maxPendingCalls >= 0 && client.pendingCalls >= maxPendingCalls) {
      throw new PendingCallsLimitError(
        `${className} has ${String(client.pendingCalls)} pending calls of this caller, its ` +
          `maxPendingCalls; await some of them first`,
        { data: { maxPendingCalls } },
      )
    }
    const record = make()
    client.call(record)
    return record
  }

  /** A record's dependencies are in. */
  ready(record: TaskRecord): void {
    this.#clientOf(record)?.ready(record)
  }

  /** Puts a call back for its next attempt. */
  again(record: TaskRecord): void {
    this.#clientOf(record)?.again(record)
  }

  /** The call in front of this one, of the same caller, that waits for its dependencies. */
  holding(record: TaskRecord): TaskRecord | undefined {
    return this.#clientOf(record)?.holding(record)
  }

  /** Whether it can be called from here. */
  has(actorId: ActorId): boolean {
    return this.#clients.has(actorId)
  }

  changed(view: ActorView): void {
    this.#clients.get(view.actorId)?.changed(view)
  }

  /** @param viewed  rejects when no word of it will come. */
  follow(actorId: ActorId, viewed: Promise<ActorView>): void {
    viewed.then(
      (view) => {
        this.changed(view)
      },
      (error: VirgaError) => {
        const incarnation = this.#clients.get(actorId)?.incarnation ?? 0
        const dead = { actorId, phase: 'DEAD', incarnation, address: '' } as const
        this.changed({ ...dead, workerId: undefined, error: toWire(error) })
      },
    )
  }

  /** Resolves when the actor is constructed. @throws what ended it instead */
  constructed(info: ActorInfo): Promise<void> {
    return this.#client(info).constructed()
  }

  /** The raylet is gone: who waits for an actor to be constructed waits no more. */
  failAll(error: Error): void {
    for (const client of this.#clients.values()) client.fail(error)
  }

  forget(actorId: ActorId): void {
    const client = this.#clients.get(actorId)
    if (client === undefined || client.pendingCalls > 0) return
    client.forget()
    this.#clients.delete(actorId)
  }

  #client(info: ActorInfo): ActorClient {
    const { actorId } = info
    const known = this.#clients.get(actorId)
    if (known !== undefined) return known
    const client = new ActorClient(this.#clientDeps, info)
    this.#clients.set(actorId, client)
    this.#look(info)
    return client
  }

  #look(info: ActorInfo): void {
    this.follow(info.actorId, this.#deps.watch(info))
  }

  #clientOf({ kind: { actorId } }: TaskRecord): ActorClient | undefined {
    return actorId === undefined ? undefined : this.#clients.get(actorId)
  }
}
