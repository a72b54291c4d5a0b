// The actors that this process made or found: registered with the raylet, known under the id their
// handles were made with, and counted by an entry each. Bounded by the actors whose handles live.
import { toWire } from '../common/error-wire.ts'
import { ActorDiedError } from '../common/errors.ts'
import { toHex, type ActorId } from '../common/ids.ts'
import { epochIn } from '../protocol/node-identity.ts'
import type { ActorInfo, ActorSpec, ActorView, FoundInstead } from '../protocol/actor-messages.ts'
import type { CoreWorker } from './core-worker.ts'
import { ObjectEntry } from './object-entry.ts'
import { actorObjectId } from './references.ts'

const NOTHING = new Uint8Array()

type Unmade = Omit<ActorSpec, 'args'>

interface Naming {
  readonly namespace: string
  readonly name: string
  /** Its creation, once the arguments of its constructor are in: the raylet's answer. */
  told?: Promise<ActorInfo>
}

type Found = Pick<ActorInfo, 'actorId' | 'maxTaskRetries'>

export class ActorRegistry {
  readonly #worker: CoreWorker
  /** Creations on their way to the raylet. */
  readonly #creating = new Map<ActorId, Promise<ActorInfo>>()
  /** Handles that getIfExists gave another actor: the id they were made with, and what was found. */
  readonly #found = new Map<ActorId, Found>()
  /** Of those that wait for the arguments of their constructor: what has them never be made. */
  readonly #givingUp = new Map<ActorId, () => void>()
  /** Creations of actors with names that are not settled yet. */
  readonly #naming = new Set<Naming>()
  /** Entries of actors whose creation is not registered yet. */
  readonly #unregistered = new Set<ObjectEntry>()

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** The ids under which handles of this process know an actor. */
  idsOf(actorId: ActorId): readonly ActorId[] {
    const ids = [actorId]
    for (const [made, found] of this.#found) if (found.actorId === actorId) ids.push(made)
    return ids
  }

  /** Nobody holds a handle of an actor of ours any more. */
  gone(actorId: ActorId): void {
    this.#creating.delete(actorId)
    this.forgotten(actorId)
    this.#worker.deps.raylet.notify('actorHandlesGone', { actorId })
  }

  /** This process has no handle of it any more. */
  forgotten(actorId: ActorId): void {
    this.#found.delete(actorId)
    this.#worker.actors.forget(actorId)
  }

  /** Registers an actor with the raylet once its constructor's arguments are in. */
  create(spec: Unmade, args: readonly unknown[], entry: ObjectEntry): void {
    const { actorId } = spec
    const { ready, holds } = this.#worker.submitter.constructorArguments(args)
    // A restart runs the constructor again: what its arguments refer to lives as long as the actor.
    this.#worker.references.share(entry, holds)
    const givenUp = Promise.withResolvers<undefined>()
    this.#givingUp.set(actorId, () => {
      givenUp.resolve(undefined)
    })
    const { name, namespace } = spec
    const naming: Naming | undefined = name === undefined ? undefined : { name, namespace }
    const creating = Promise.race([ready, givenUp.promise])
      .finally(() => this.#givingUp.delete(actorId))
      .then(
        (encoded) =>
          encoded === undefined
            ? this.#neverMade(spec, killedUnmade(spec))
            : this.#tell({ ...spec, args: encoded }, naming),
        (error: Error) => this.#neverMade(spec, argumentFailed(spec, error), error),
      )
    this.#unregistered.add(entry)
    if (naming !== undefined) this.#naming.add(naming)
    const registered = (info?: ActorInfo): void => {
      this.#unregistered.delete(entry)
      if (naming !== undefined) this.#naming.delete(naming)
      if (info === undefined || info.actorId === actorId) return
      this.#found.set(actorId, info)
      // The actor that was found lives as long as this handle does.
      this.#worker.references.share(entry, [...holds, this.borrow(info)])
    }
    creating.then(registered, () => {
      registered() // told by the first call, through #watch
    })
    this.#creating.set(actorId, creating)
  }

  #tell(spec: ActorSpec, naming: Naming | undefined): Promise<ActorInfo> {
    const told = this.#worker.deps.raylet.request('createActor', spec)
    if (naming !== undefined) naming.told = told
    return told
  }

  /**
   * For who looks for an actor by its name: those that this process was making then.
   * @returns what waits until such of them are registered as the raylet was told of; not for the
   *   arguments of a constructor. False: there is none.
   */
  beingMade({ namespace, name }: Pick<Naming, 'namespace' | 'name'>): () => Promise<boolean> {
    const made = [...this.#naming].filter(
      (each) => each.namespace === namespace && each.name === name,
    )
    return async () => {
      const told = made.flatMap((each) => each.told ?? [])
      await Promise.allSettled(told)
      return told.length > 0
    }
  }

  /**
   * Its handle may have gone anywhere: all hear from the raylet that it will never be.
   * @param here  what this process is told, if not the same.
   */
  async #neverMade(spec: Unmade, failed: ActorDiedError, here: Error = failed): Promise<never> {
    const dead = { ...spec, args: NOTHING, failed: toWire(failed) }
    await Promise.allSettled([this.#worker.deps.raylet.request('createActor', dead)])
    throw here
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
    return this.#found.get(actorId)?.actorId ?? actorId
  }

  /** The same, with what its own maker asked for: that is what its calls go by, as in Ray. */
  real(info: ActorInfo): ActorInfo {
    const found = this.#found.get(info.actorId)
    if (found === undefined) return info
    return { ...info, actorId: found.actorId, maxTaskRetries: found.maxTaskRetries }
  }

  /** Resolves with the actor's state, once it is registered; every change is told after that. */
  async watch(given: ActorInfo): Promise<ActorView> {
    const { actorId } = given
    const info = await (this.#creating.get(actorId) ?? Promise.resolve(undefined))
    this.#creating.delete(actorId)
    const real = info?.actorId ?? actorId
    const { nodeId, ownerAddress = '' } = info ?? given
    const homeEpoch = epochIn(ownerAddress)
    const view = await this.#worker.deps.raylet.request('watchActor', {
      ...{ actorId: real, homeId: toHex(nodeId) },
      ...(homeEpoch === undefined ? {} : { homeEpoch }),
    })
    return view.foundInstead === undefined
      ? { ...view, actorId }
      : await this.found(actorId, view.foundInstead)
  }

  /** The handle was made elsewhere, and sent here before getIfExists had found another actor. */
  async found(actorId: ActorId, found: FoundInstead): Promise<ActorView> {
    this.#found.set(actorId, found)
    const { actorId: real, homeId } = found
    const view = await this.#worker.deps.raylet.request('watchActor', { actorId: real, homeId })
    return { ...view, actorId }
  }

  /** Ends an actor, or one of its lives; one that is dead already, or was never made, stays so. */
  async kill(info: ActorInfo, noRestart: boolean): Promise<void> {
    const { actorId } = info
    const giveUp = this.#givingUp.get(actorId)
    if (giveUp !== undefined) {
      if (noRestart) giveUp()
      return // no life of it has begun
    }
    const creating = this.#creating.get(actorId)
    if (creating !== undefined && (await refused(creating))) return
    // Asked only now: getIfExists may have found another.
    await this.#worker.deps.raylet.request('killActor', {
      ...{ actorId: this.realId(actorId), noRestart, homeId: toHex(info.nodeId) },
    })
  }
}

const refused = (creating: Promise<unknown>): Promise<boolean> =>
  creating.then(
    () => false,
    () => true,
  )

function argumentFailed({ actorId, className }: Unmade, error: Error): ActorDiedError {
  return new ActorDiedError(
    `the constructor of ${className} never ran, for one of its arguments failed: ` +
      `${error.message}. Create it again with one that does not.`,
    { cause: error, data: { actorId: toHex(actorId), className, mayHaveRun: false } },
  )
}

function killedUnmade({ actorId, className }: Unmade): ActorDiedError {
  return new ActorDiedError(
    `actor ${className} is dead: it was killed with kill() before its constructor ran. Create a ` +
      'new one.',
    { data: { actorId: toHex(actorId), className, mayHaveRun: false } },
  )
}
