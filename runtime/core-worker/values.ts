// Values of this process: put, large arguments, values of borrowed objects, and answers to
// borrowers.
import { fromWire, toWire } from '../common/error-wire.ts'
import { ObjectNotFoundError, VirgaError } from '../common/errors.ts'
import { toHex, type ObjectId } from '../common/ids.ts'
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import type { Inherited, PeerCalls, Resolution } from '../protocol/peer-messages.ts'
import type { EncodedValue } from '../protocol/value-codec.ts'
import { NO_LINEAGE, ownerDied } from './adoption.ts'
import type { CoreWorker } from './core-worker.ts'
import { blobOf } from './failure.ts'
import { handleEntriesOf, sharedEntries } from './handles.ts'
import { BLOB, FAILED, ObjectEntry, STORED, VALUE, type StoredAt } from './object-entry.ts'
import type { ObjectRef } from './object-ref.ts'
import { completeEntry, completeOwned, copyOf } from './replies.ts'
import type { Storable } from './store-client.ts'

const COLLECT_SHARE = 1 / 8

/** Has an answer made when there is room to send it. */
type Paced = (make: () => Resolution) => Resolution | Promise<Resolution>

/** What is said of a request for a value. */
type Why = Omit<PeerCalls['getObject'][0], 'objectId'>

export class Values {
  readonly #worker: CoreWorker
  readonly #resolving = new WeakSet<ObjectEntry>()
  #putBytes = 0

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** @throws SerializationError, ObjectTooLargeError, ObjectStoreFullError */
  async put(value: unknown): Promise<ObjectRef> {
    const worker = this.#worker
    const encoded = worker.codec.encode(value, 'value')
    const entry = this.#newEntry()
    const contained = sharedEntries(encoded.handles)
    if (encoded.sizeBytes > INLINE_BYTES_MAX) {
      this.#collectNow(encoded.sizeBytes)
      // Held from now on: user code may free its handles while there is no room yet.
      worker.references.share(entry, contained)
      try {
        const stored = await worker.store.put(worker.references.idOf(entry), encoded, undefined)
        worker.madeAt.made(stored.objectId, worker.ownNodeId)
        await worker.durable?.keepStored(stored.objectId)
        entry.complete(STORED, stored)
      } catch (error) {
        entry.complete(FAILED, error)
        worker.references.releaseUnused(entry)
        throw error
      }
    } else {
      if (contained.length > 0) worker.references.share(entry, contained)
      completeOwned(entry, encoded.toBytes(), worker.codec)
    }
    await worker.durable?.put(entry)
    return worker.ref(entry)
  }

  /** A large argument: copied now (values are encoded at the call), stored when there is room. */
  storeLarge(encoded: EncodedValue): ObjectEntry {
    const { references, store, durable, madeAt, ownNodeId } = this.#worker
    const entry = this.#newEntry()
    const blob = encoded.toBytes()
    const copy: Storable = {
      sizeBytes: encoded.sizeBytes,
      writeTo: (target, copy) => {
        if (copy === undefined) target.set(blob)
        else copy(target, blob)
      },
    }
    references.share(entry, sharedEntries(encoded.handles))
    const storing = store.put(references.idOf(entry), copy, undefined)
    const kept = durable === undefined ? storing : durable.keptOnce(storing)
    kept.then(
      (stored) => {
        madeAt.made(stored.objectId, ownNodeId)
        entry.complete(STORED, stored)
        references.releaseUnused(entry) // its task may have been cancelled meanwhile
      },
      (error: Error) => {
        entry.complete(FAILED, error)
        references.releaseUnused(entry)
      },
    )
    return entry
  }

  /** Asks the owner of a borrowed entry for its value, once. @param reads  it is read here then */
  resolve(entry: ObjectEntry, reads = false): void {
    const stream = entry.task?.stream
    if (stream?.completed === entry) stream.lift()
    const ownerAddress = entry.sharing?.ownerAddress
    if (ownerAddress === undefined || !entry.pending || this.#resolving.has(entry)) return
    this.#resolving.add(entry)
    this.#ask(entry, ownerAddress, reads ? { reads } : {})
  }

  /** Tells the owner of a borrowed entry that no copy could be read; what it answers is its value. */
  recover(entry: ObjectEntry, ownerAddress: string, error: VirgaError): void {
    this.#resolving.add(entry)
    this.#ask(entry, ownerAddress, { lost: toWire(error) })
  }

  #ask(entry: ObjectEntry, ownerAddress: string, why: Why = {}): void {
    const objectId = this.#worker.references.idOf(entry)
    const peer = this.#worker.peers.dial(ownerAddress)
    const died = (): void => {
      this.#ownerDied(entry, objectId)
    }
    const forget = peer.whenClosed(died) // it must not hold the entry once that is complete
    entry.whenComplete(forget)
    peer.with((channel) => {
      channel.request('getObject', { objectId, ...why }).then(
        (resolution) => {
          if (!peer.closed) this.resolved(entry, resolution) // PE4
        },
        (error: unknown) => {
          if (!peer.closed) entry.complete(FAILED, error)
        },
      )
    })
  }

  /** Somebody goes on with what it owned, where the cluster has several nodes. */
  #ownerDied(entry: ObjectEntry, objectId: ObjectId): void {
    const { adoption } = this.#worker
    if (adoption === undefined) entry.complete(FAILED, ownerDied(objectId, NO_LINEAGE))
    else {
      adoption.recover(entry, (address) => {
        this.#ask(entry, address)
      })
    }
  }

  /**
   * Answers a borrower that asks for a value, when it is complete and `paced` has it made.
   * @param nodeId  where it is, in hex; undefined where there is one node.
   */
  describe(
    { objectId, lost, reads = false }: PeerCalls['getObject'][0],
    nodeId: string | undefined,
    paced: Paced,
  ): Resolution | Promise<Resolution> {
    const entry = this.#worker.references.find(objectId)
    if (entry === undefined) {
      const hex = toHex(objectId)
      return this.#failed(
        new ObjectNotFoundError(
          `the owner of object ${hex} has it no more: it was freed, as the owner knew of nobody that ` +
            'held a ref of it. Whoever held one all the time has lost it by a failure of the cluster, ' +
            'not by a mistake: have it made again.',
          { data: { objectId: hex } },
        ),
      )
    }
    const error = lost === undefined ? undefined : fromWire(lost)
    if (error !== undefined && !this.#worker.recovery.lost(entry, error)) return this.#failed(error)
    return new Promise((resolve) => {
      this.resolve(entry)
      const forget = this.#worker.blocking.awaiting([entry])
      entry.whenComplete(() => {
        forget()
        if (reads) this.#isReadAt(entry, nodeId)
        const tell = (): void => {
          resolve(paced(() => this.#resolutionOf(entry)))
        }
        const committing = this.#worker.durable?.commits()
        if (committing === undefined) tell()
        else void committing.then(tell)
      })
    })
  }

  #isReadAt({ state, value }: ObjectEntry, nodeId: string | undefined): void {
    if (state !== STORED || nodeId === undefined) return
    this.#worker.holders?.gotAt(value as StoredAt, nodeId)
  }

  /** The entries of the counted handles inside an encoded value. */
  containedOf(blob: Uint8Array): readonly ObjectEntry[] {
    return handleEntriesOf(this.#worker, blob)
  }

  /**
   * A loop that puts large values makes no garbage that V8 would notice, so refs that nobody holds
   * would stay until the store is full: collect after each eighth of the store.
   */
  #collectNow(sizeBytes: number): void {
    const { collector, options } = this.#worker
    this.#putBytes += sizeBytes
    if (this.#putBytes < options.welcome.arena.sizeBytes * COLLECT_SHARE) return
    this.#putBytes = 0
    collector.collect()
  }

  #newEntry(): ObjectEntry {
    const scope = this.#worker.scope()
    return new ObjectEntry(scope, scope.nextPut++, -1)
  }

  /** Its owner has said what it is. */
  resolved(entry: ObjectEntry, resolution: Resolution): void {
    try {
      this.#resolved(entry, resolution)
    } catch (error) {
      entry.complete(FAILED, error) // a value that the types of this process refuse
    }
  }

  /** What its heir is told of an object that is complete, when this process leaves with its node. */
  toInherit(entry: ObjectEntry): Inherited {
    const { references } = this.#worker
    const value = this.#resolutionOf(entry)
    const contained = value.kind === 'stored' ? (entry.sharing?.contained ?? []) : []
    return {
      ref: references.encode(entry),
      value,
      contained: contained.map((each) => references.encode(each)),
    }
  }

  #resolved(entry: ObjectEntry, resolution: Resolution): void {
    if (resolution.kind === 'stored') {
      entry.complete(STORED, placeOf(resolution, undefined))
      return
    }
    const blob = copyOf(resolution.blob)
    if (resolution.kind === 'failed') {
      entry.complete(FAILED, fromWire(this.#worker.codec.decode(blob)))
    } else completeEntry(entry, blob, this.containedOf(blob), this.#worker)
  }

  #resolutionOf(entry: ObjectEntry): Resolution {
    switch (entry.state) {
      case VALUE:
        return { kind: 'inline', blob: blobOf(this.#worker.codec, entry.value) }
      case BLOB:
        return { kind: 'inline', blob: entry.value as Uint8Array }
      case FAILED:
        return this.#failed(entry.value)
      // STORED; or it was lost while the answer waited for room: its reader finds out, and asks
      // again.
      default: {
        // What was put here is told without a node: nobody but this process knows which that is.
        const here = this.#worker.ownNodeId
        return { kind: 'stored', ...placeOf(entry.value as StoredAt, here) }
      }
    }
  }

  #failed(error: unknown): Resolution {
    return { kind: 'failed', blob: blobOf(this.#worker.codec, toWire(asVirgaError(error))) }
  }
}

/** @param here  the node of what is told without one. */
function placeOf(stored: StoredAt, here: string | undefined): StoredAt {
  const { objectId, sizeBytes, nodeId = here } = stored
  return nodeId === undefined ? { objectId, sizeBytes } : { objectId, sizeBytes, nodeId }
}

function asVirgaError(error: unknown): VirgaError {
  if (error instanceof VirgaError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new VirgaError(message, { cause: error })
}
