// Reference counting by the owner. Inside one process an entry lives while somebody holds it (the
// collector counts); between processes every holder is registered with the owner:
//   owner   tracked (weak) while only we hold it · lent (strong) while a borrower is registered
//   borrower  one entry per object, registered by `borrow`, given up by `release`
// Invariants:
//   B1. A ref that travels is held by its sender until the receiver has registered it: arguments
//       until the reply, which comes only once they are registered; what is inside results,
//       failures and stream items until handoffDone (handoffs.ts).
//   B2. A stored object is freed once: when its entry is gone and nobody borrows it.
//   B3. A borrower that dies gives up everything it borrowed; one that is only cut off, or cannot
//       say what it has, gives up nothing (cut-borrowers.ts).
// Source: Ray reference_count.h (owner, borrowers, contained refs).
import type { Clock } from '../common/clock.ts'
import { ObjectLostError, ProtocolError } from '../common/errors.ts'
import type { Finalization, Weak } from '../common/finalization.ts'
import {
  PUT_INDEX_FIRST,
  objectIdOf,
  toHex,
  type ActorId,
  type JobId,
  type ObjectId,
} from '../common/ids.ts'
import type { PeerCalls } from '../protocol/peer-messages.ts'
import { Borrowers } from './borrowers.ts'
import type { LineageStream } from './lineage-stream.ts'
import { FAILED, ObjectEntry, STORED, type Sharing } from './object-entry.ts'
import type { RefHooks } from './object-ref.ts'
import type { Peer } from './peers.ts'
import { readRef, writeRef } from './ref-lineage.ts'
import { Registrations, type CutLinks } from './registrations.ts'

export interface ReferencesDeps {
  readonly finalization: Finalization
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>
  dial(address: string): Peer
  readonly cut: CutLinks
  /** Nobody refers to a stored object of ours any more. */
  storeFree(objectId: ObjectId): void
  /** Nobody holds a handle of an actor of ours any more. */
  actorGone(objectId: ObjectId): void
  /** This process holds no handle of an actor of another owner any more. */
  actorForgotten(objectId: ObjectId): void
  readonly ownAddress: string
  readonly jobId: JobId
  /** Absent: nobody could go on with what a dead process owned. */
  readonly lineage?: Pick<LineageStream, 'carry' | 'gone'> | undefined
}

/** One object that a process counts, as told to whoever finds that it is never freed. */
export interface Counted {
  /** In hex. */
  readonly id: string
  /** Undefined: this process, or it is collected. */
  readonly owner: string | undefined
  /** By the id of the process in hex, how often it has registered; empty: it is tracked alone. */
  readonly lentTo: Readonly<Record<string, number>>
  /** What holds it here, or that it is collected and nobody was told. */
  readonly uses: number | 'COLLECTED'
}

export class References implements RefHooks {
  readonly #deps: ReferencesDeps
  /** Entries that live and that others may know; the collector takes them out. */
  readonly #tracked = new Map<ObjectId, Weak<ObjectEntry>>()
  /** Of these, those that this process owns. */
  readonly #owned = new Set<ObjectId>()
  /** Those that a living peer has registered. */
  readonly borrowers: Borrowers
  readonly #registrations: Registrations
  /** Called when this process begins, or ceases, to own what others may hold. */
  onOwning: ((isOwner: boolean) => void) | undefined

  constructor(deps: ReferencesDeps) {
    this.#deps = deps
    this.#registrations = new Registrations({ ...deps, dial: (address) => deps.dial(address) })
    this.borrowers = new Borrowers({
      cut: deps.cut,
      returned: (entry) => {
        this.releaseUnused(entry)
      },
    })
  }

  /** Whether objects or actors that others may hold would be lost with this process. */
  get isNeeded(): boolean {
    return this.borrowers.lentCount > 0 || this.#tracked.size > 0
  }

  get jobId(): JobId {
    return this.#deps.jobId
  }

  idOf(entry: ObjectEntry): ObjectId {
    if (entry.id === undefined) {
      if (entry.scope === undefined) throw new ProtocolError('an entry without scope has no id')
      const { scope } = entry
      const isPut = entry.returnIndex < 0
      const taskId = isPut ? scope.makerId : scope.childTaskId(entry.index)
      entry.id = objectIdOf(taskId, indexOf(entry))
    }
    return entry.id
  }

  /** From now on other processes or the store may know this entry: count it. */
  share(entry: ObjectEntry, contained: readonly ObjectEntry[] = []): Sharing {
    if (entry.sharing !== undefined) {
      if (contained.length > 0) this.#contain(entry.sharing, contained)
      return entry.sharing
    }
    const id = this.idOf(entry)
    entry.sharing = owned()
    this.#contain(entry.sharing, contained)
    this.#track(entry, id)
    return entry.sharing
  }

  /** Objects of ours that others hold, or find inside what they may read. */
  needed(): ObjectEntry[] {
    return [...this.#owned].flatMap((id) => {
      const entry = isActorObject(id) ? undefined : this.find(id)
      const { borrowerCount = 0 } = entry?.sharing ?? {}
      return entry !== undefined && (borrowerCount > 0 || entry.uses > 0) ? [entry] : []
    })
  }

  /** An entry of ours that others may hold, if it still lives. */
  find(id: ObjectId): ObjectEntry | undefined {
    return this.borrowers.find(id) ?? this.#tracked.get(id)?.deref()
  }

  /** The bytes that stand for a ref inside a value: ref-lineage.ts. */
  encode(entry: ObjectEntry): Uint8Array {
    const sharing = this.share(entry)
    const ownerAddress = sharing.ownerAddress ?? this.#deps.ownAddress
    const lineage = sharing.lineage ?? this.#deps.lineage?.carry(entry)
    return writeRef({ id: this.idOf(entry), ownerAddress, lineage })
  }

  /** A ref that arrived: its entry here, registered with its owner if it is new. */
  decode(bytes: Uint8Array): ObjectEntry {
    const { id, ownerAddress, lineage } = readRef(bytes)
    return this.borrowed(id, ownerAddress, lineage)
  }

  /** The entry of an object owned at `ownerAddress`. */
  borrowed(id: ObjectId, ownerAddress: string, lineage?: Uint8Array): ObjectEntry {
    const known = this.find(id)
    if (known !== undefined) return known
    if (ownerAddress === this.#deps.ownAddress) return lost(id)
    return this.#borrow(id, ownerAddress, lineage)
  }

  /** An object of another owner, which this process has adopted: from now on it is one of ours. */
  adopted(id: ObjectId, lineage: Uint8Array | undefined): ObjectEntry {
    const known = this.find(id)
    if (known === undefined) {
      const entry = new ObjectEntry(undefined, 0, 0)
      entry.id = id
      entry.sharing = { ...owned(), lineage }
      this.#track(entry, id)
      return entry
    }
    this.moved(known, undefined)
    return known
  }

  /** Who owns it now; undefined: this process. */
  moved(entry: ObjectEntry, ownerAddress: string | undefined): void {
    if (entry.sharing === undefined) return
    entry.sharing.ownerAddress = ownerAddress
    this.#deps.finalization.forget(entry)
    this.#track(entry, this.idOf(entry))
  }

  /** Of these, what this process borrows from the owner at `from` it borrows from that at `to`. */
  ownerMoved({ from, to, objectIds }: PeerCalls['ownerMoved'][0]): void {
    for (const id of objectIds) {
      const entry = this.find(id)
      if (entry?.sharing?.ownerAddress !== from) continue
      this.moved(entry, to)
      this.#registrations.register(id, to)
    }
  }

  /** An owner has lost the connection over which it was told what this process holds of it. */
  async registerAgain(ownerAddress: string): Promise<void> {
    const held = [...this.#tracked.keys()].filter(
      (id) => this.find(id)?.sharing?.ownerAddress === ownerAddress,
    )
    await this.#registrations.registerAgain(held, ownerAddress)
  }

  /** What is about to leave stays until `settled` has. */
  keepUntil(settled: Promise<void>): void {
    this.#registrations.keepUntil(settled)
  }

  /** An object of ours to which nobody has referred for a while, awaited anew. */
  revived(id: ObjectId): ObjectEntry {
    const entry = new ObjectEntry(undefined, 0, 0)
    entry.id = id
    this.share(entry)
    return entry
  }

  /** Resolves when every borrow begun so far is registered with its owner (B1). */
  settled(): Promise<unknown> | undefined {
    return this.#registrations.settled()
  }

  /** What lets a peer drop refs that it gave is about to leave: of some, no owner may know (CB2). */
  tellUnheard(peer: Peer): void {
    this.#deps.cut.tell(peer)
  }

  /**
   * A peer registers as a borrower of an object of ours.
   * @param times  as it says after a cut, how often it has in all; else once more.
   */
  lend(peer: Peer, id: ObjectId, times?: number): void {
    const entry = this.find(id)
    if (entry === undefined || peer.closed) return // what it had is given back
    this.borrowers.lend(peer, { id, entry, sharing: this.share(entry) }, times)
  }

  /** free() of one handle: releases when it was the last and nothing else needs it; at once, or as
   *  soon as it is known what it is. */
  freed(entry: ObjectEntry): void {
    entry.handles -= 1
    this.releaseUnused(entry)
    if (entry.handles > 0 || !isOnItsWay(entry)) return
    entry.whenComplete(() => {
      this.releaseUnused(entry)
    })
  }

  /** What a value refers to is needed as long as the value is. */
  #contain(sharing: Sharing, contained: readonly ObjectEntry[]): void {
    const before = sharing.contained
    sharing.contained = contained
    this.use(contained, 1)
    this.use(before, -1)
  }

  /** Counts who needs these besides their handles; the last one gone releases what is unused. */
  use(entries: readonly ObjectEntry[], by: 1 | -1): void {
    for (const entry of entries) {
      entry.uses += by
      if (by < 0) this.releaseUnused(entry)
    }
  }

  releaseUnused(entry: ObjectEntry): void {
    const { sharing } = entry
    if (sharing === undefined || entry.handles > 0 || entry.uses > 0 || sharing.freed) return
    if (sharing.borrowerCount > 0 || isOnItsWay(entry)) return
    sharing.freed = true
    this.#deps.finalization.forget(entry)
    const isStored = entry.state === STORED || sharing.wasLost
    this.#gone(this.idOf(entry), sharing.ownerAddress, isStored)
    this.#contain(sharing, [])
  }

  counts(): { tracked: number; lent: number } {
    return { tracked: this.#tracked.size, lent: this.borrowers.lentCount }
  }

  /** For people; counts() costs less, and keeps nothing from being collected in this turn. */
  counted(): Counted[] {
    const ids = new Set([...this.#tracked.keys(), ...this.borrowers.lentIds()])
    return [...ids].map((id) => {
      const { uses = 'COLLECTED', sharing } = this.find(id) ?? {}
      const lentTo = this.borrowers.of(id)
      return { id: toHex(id), owner: sharing?.ownerAddress, lentTo, uses }
    })
  }

  #track(entry: ObjectEntry, id: ObjectId): void {
    const { ownerAddress } = entry.sharing as Sharing
    if (ownerAddress === undefined) this.#own(id)
    else this.#disown(id)
    this.#tracked.set(id, this.#deps.finalization.weak(entry))
    this.#deps.finalization.watch(entry, () => {
      this.#gone(id, ownerAddress, true)
    })
  }

  #own(id: ObjectId): void {
    this.#owned.add(id)
    if (this.#owned.size === 1) this.onOwning?.(true)
  }

  #disown(id: ObjectId): void {
    if (this.#owned.delete(id) && this.#owned.size === 0) this.onOwning?.(false)
  }

  #gone(id: ObjectId, ownerAddress: string | undefined, stored: boolean): void {
    const current = this.#tracked.get(id)?.deref()
    const isGone = current === undefined || current.sharing?.freed === true
    if (isGone) {
      this.#tracked.delete(id)
      this.#disown(id)
      this.#deps.lineage?.gone(id)
      this.#deps.cut.settled(id)
    }
    if (ownerAddress !== undefined) {
      if (isGone && isActorObject(id)) this.#deps.actorForgotten(id)
      this.#registrations.release(id, ownerAddress, !isGone)
    } else if (isGone) {
      if (isActorObject(id)) this.#deps.actorGone(id)
      else if (stored) this.#deps.storeFree(id)
    }
  }

  #borrow(id: ObjectId, ownerAddress: string, lineage: Uint8Array | undefined): ObjectEntry {
    const entry = new ObjectEntry(undefined, 0, 0)
    entry.id = id
    entry.sharing = { ...owned(), ownerAddress, lineage }
    if (this.#tracked.has(id)) this.#registrations.willRelease(id, ownerAddress) // it is collected
    this.#track(entry, id)
    this.#registrations.register(id, ownerAddress)
    return entry
  }
}

const ACTOR_MARK = '\xff'.repeat(8)

/** An actor is counted like an object: its handles are refs to this id. */
export const actorObjectId = (actorId: string): ObjectId => (actorId + ACTOR_MARK) as ObjectId
/** The actor behind such an id. */
export const actorIdOfObject = (id: ObjectId): ActorId => id.slice(0, 12) as ActorId
export const isActorObject = (id: ObjectId): boolean => id.endsWith(ACTOR_MARK)

/** A task of ours will complete it, or its owner is asked for it. The handles of an actor are not
 *  counted: it goes when they are collected. */
function isOnItsWay({ pending, sharing, isAwaited, id }: ObjectEntry): boolean {
  if (!pending) return false
  const isActor = id !== undefined && isActorObject(id)
  return sharing?.ownerAddress === undefined || isAwaited || isActor
}

function indexOf(entry: ObjectEntry): number {
  return entry.returnIndex < 0 ? PUT_INDEX_FIRST + entry.index : entry.returnIndex
}

function owned(): Sharing {
  const nobody = { ownerAddress: undefined, lineage: undefined }
  return { ...nobody, borrowerCount: 0, contained: [], wasLost: false, freed: false }
}

function lost(id: ObjectId): ObjectEntry {
  const entry = new ObjectEntry(undefined, 0, 0)
  entry.id = id
  const error = new ObjectLostError(
    `object ${toHex(id)} was freed before this ref came back to its owner, which knew of nobody that ` +
      'held one: it is lost by a failure of the cluster. Have it made again.',
    { data: { objectId: toHex(id) } },
  )
  entry.complete(FAILED, error)
  return entry
}
