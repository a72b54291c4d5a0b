// The actors that this process made or found: registered with the raylet, known under the id their
// handles were made with, and counted by an entry each. Bounded by the actors whose handles live.
import { toWire } from '../common/error-wire.ts'
import { ActorDiedError } from '../common/errors.ts'
import { toHex, type ActorId } from '../common/ids.ts'
import type { ActorInfo, ActorSpec, ActorView } from '../protocol/messages.ts'
import type { CoreWorker } from './core-worker.ts'
import { ObjectEntry } from './object-entry.ts'
import { actorObjectId } from './references.ts'

const NOTHING = new Uint8Array()

export class ActorRegistry {
  readonly #worker: CoreWorker
  /** Creations on their way to the raylet. */
  readonly #creating = new Map<ActorId, Promise<ActorInfo>>()
  /** Handles that getIfExists gave another actor: the id they were made with, and the real one. */
  readonly #realIds = new Map<ActorId, ActorId>()
  /** Entries of actors whose creation is not registered yet. */
  readonly #unregistered = new Set<ObjectEntry>()

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** The ids under which handles of this process know an actor. */
  idsOf(actorId: ActorId): readonly ActorId[] {
    const ids = [actorId]
    for (const [made, real] of this.#realIds) if (real === actorId) ids.push(made)
    return ids
  }

  /** Nobody holds a handle of an actor of ours any more. */
  gone(actorId: ActorId): void {
    this.#creating.delete(actorId)
    this.#realIds.delete(actorId)
    this.#worker.actors.forget(actorId)
    this.#worker.deps.raylet.notify('actorHandlesGone', { actorId })
  }

  /** Registers an actor with the raylet once its constructor's arguments are in. */
  create(spec: Omit<ActorSpec, 'args'>, args: readonly unknown[], entry: ObjectEntry): void {
    const { actorId } = spec
    const { ready, holds } = this.#worker.submitter.constructorArguments(args)
    // A restart runs the constructor again: what its arguments refer to lives as long as the actor.
    this.#worker.references.share(entry, holds)
    const creating = ready.then(
      (encoded) => this.#worker.deps.raylet.request('createActor', { ...spec, args: encoded }),
      (error: Error) => this.#argumentFailed(spec, error),
    )
    this.#unregistered.add(entry)
    const registered = (info?: ActorInfo): void => {
      this.#unregistered.delete(entry)
      if (info === undefined || info.actorId === actorId) return
      this.#realIds.set(actorId, info.actorId)
      // The actor that was found lives as long as this handle does.
      this.#worker.references.share(entry, [...holds, this.borrow(info)])
    }
    creating.then(registered, () => {
      registered() // told by the first call, through #watch
    })
    this.#creating.set(actorId, creating)
  }

  /** Its handle may have gone anywhere: all hear from the raylet that it will never be. */
  async #argumentFailed(spec: Omit<ActorSpec, 'args'>, error: Error): Promise<never> {
    const { className, actorId } = spec
    const failed = new ActorDiedError(
      `the constructor of ${className} never ran, for one of its arguments failed: ` +
        `${error.message}. Create it again with one that does not.`,
      { cause: error, data: { actorId: toHex(actorId), className, mayHaveRun: false } },
    )
    const dead = { ...spec, args: NOTHING, failed: toWire(failed) }
    await Promise.allSettled([this.#worker.deps.raylet.request('createActor', dead)])
    throw error
  }

  /** An entry that counts the handles of an actor. */
  entryOf(actorId: ActorId, owned: boolean): ObjectEntry {
    const id = actorObjectId(actorId)
    const known = this.#worker.references.find(id)
    if (known !== undefined) return known
    const entry = new ObjectEntry(undefined, 0, 0)
    entry.id = id
    if (owned) this.#worker.references.share(entry)
    else this.#forgetWith(entry, actorId)
    return entry
  }

  /** A detached actor has no owner who counts: what this process knows goes with its handle. */
  #forgetWith(entry: ObjectEntry, actorId: ActorId): void {
    const { actors, deps } = this.#worker
    deps.finalization.watch(entry, () => {
      actors.forget(actorId)
    })
  }

  /** The entry of an actor found by name: registered with its owner, if it has one elsewhere. */
  borrow(info: ActorInfo): ObjectEntry {
    const { actorId, ownerAddress } = info
    if (ownerAddress === undefined) return this.entryOf(actorId, false)
    return this.#worker.references.borrowed(actorObjectId(actorId), ownerAddress)
  }

  /** The actor behind the id that a handle was made with. */
  realId(actorId: ActorId): ActorId {
    return this.#realIds.get(actorId) ?? actorId
  }

  /** Resolves with the actor's state, once it is registered; every change is told after that. */
  async watch(actorId: ActorId): Promise<ActorView> {
    const info = await (this.#creating.get(actorId) ?? Promise.resolve(undefined))
    this.#creating.delete(actorId)
    const real = info?.actorId ?? actorId
    const view = await this.#worker.deps.raylet.request('watchActor', { actorId: real })
    return { ...view, actorId }
  }

  /** Waits until a created actor is known under its real id (getIfExists may find another). */
  async settledId(actorId: ActorId): Promise<ActorId> {
    const info = await (this.#creating.get(actorId) ?? Promise.resolve(undefined))
    return info?.actorId ?? this.realId(actorId)
  }
}
