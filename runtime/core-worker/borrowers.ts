// Who borrows objects of this process: by the connection over which it has registered, how often it
// has registered each. An object is lent as long as anybody has registered it more often than that
// was taken back; then it is held here (references.ts).
//   lend ──► registered over a connection ──► release, as often
//                     └── the connection closes ──► kept until its process is known to be gone (B3)
// Source: Ray reference_count.h (borrowers of an owner).
import { toHex, type ObjectId } from '../common/ids.ts'
import type { ObjectEntry, Sharing } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { CutLinks } from './registrations.ts'

export interface BorrowersDeps {
  readonly cut: Pick<CutLinks, 'closed'>
  /** Nobody borrows it any more. */
  returned(this: void, entry: ObjectEntry): void
}

interface Lent {
  readonly id: ObjectId
  readonly entry: ObjectEntry
  readonly sharing: Sharing
}

export class Borrowers {
  readonly #deps: BorrowersDeps
  /** What is lent, and so held. */
  readonly #lent = new Map<ObjectId, ObjectEntry>()
  /** By peer, how often it has registered each of those; gone with its process (B3). */
  readonly #counts = new Map<Peer, Map<ObjectId, number>>()
  /** Called when others have given back the last object of ours that they held. */
  onNone: (() => void) | undefined

  constructor(deps: BorrowersDeps) {
    this.#deps = deps
  }

  /** How many objects are lent. */
  get lentCount(): number {
    return this.#lent.size
  }

  lentIds(): Iterable<ObjectId> {
    return this.#lent.keys()
  }

  find(id: ObjectId): ObjectEntry | undefined {
    return this.#lent.get(id)
  }

  /** @param times  as it says after a cut, how often it has registered that in all; else once more. */
  lend(peer: Peer, { id, entry, sharing }: Lent, times?: number): void {
    this.#lent.set(id, entry)
    const counts = this.#countsOf(peer)
    const before = counts.get(id) ?? 0
    const count = times === undefined ? before + 1 : Math.max(before, times)
    counts.set(id, count)
    sharing.borrowerCount += count - before
  }

  release(peer: Peer, id: ObjectId, times = 1): void {
    const counts = this.#counts.get(peer)
    const before = counts?.get(id) ?? 0
    const count = Math.min(times, before)
    if (count === 0) return
    if (count === before) counts?.delete(id)
    else counts?.set(id, before - count)
    this.#returned(id, count)
  }

  /** Who holds objects of ours. */
  all(): Peer[] {
    return [...this.#counts].flatMap(([peer, counts]) => (counts.size > 0 ? [peer] : []))
  }

  /** What that borrower holds, and how often it has registered each. */
  lentTo(peer: Peer): readonly (readonly [id: ObjectId, times: number])[] {
    return [...(this.#counts.get(peer) ?? [])]
  }

  /** For people: who has registered that, by the id of its process in hex, and how often. */
  of(id: ObjectId): Readonly<Record<string, number>> {
    const lentTo: Record<string, number> = {}
    for (const [{ workerId = '' }, counts] of this.#counts) {
      const count = counts.get(id)
      if (count !== undefined) lentTo[toHex(workerId)] = count
    }
    return lentTo
  }

  #countsOf(peer: Peer): Map<ObjectId, number> {
    const known = this.#counts.get(peer)
    if (known !== undefined) return known
    const counts = new Map<ObjectId, number>()
    this.#counts.set(peer, counts)
    peer.whenClosed(() => {
      this.#deps.cut.closed(peer, () => {
        this.#gone(peer)
      })
    })
    return counts
  }

  #returned(id: ObjectId, count: number): void {
    const entry = this.#lent.get(id)
    if (entry?.sharing === undefined) return
    entry.sharing.borrowerCount -= count
    if (entry.sharing.borrowerCount > 0) return
    this.#lent.delete(id)
    this.#deps.returned(entry)
    if (this.#lent.size === 0) this.onNone?.()
  }

  #gone(peer: Peer): void {
    const counts = this.#counts.get(peer)
    this.#counts.delete(peer)
    for (const [id, count] of counts ?? []) this.#returned(id, count)
  }
}
