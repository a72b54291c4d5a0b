// Borrowers on other nodes that their owner does not hear of: whose connections broke, or who could
// not be reached when they came to hold something. A cut that lasts longer than what TCP waits for
// breaks connections while both processes live, and what is borrowed over them is needed after it.
//   borrower  its registration fails ─► whoever is told that a ref has arrived is told so before
//   giver     holds what it gave until its owner has heard from the borrower, or the borrower of
//             whom that has left everything to (hand-over.ts)
//   owner     lends it to that address, and asks there, as it asks one whose connection broke
// Invariants:
//   CB1. What it has borrowed stays lent until it has registered anew all that it still holds, its
//        machine says that its process is gone, or the life of its node has ended (UH1).
//   CB2. Who holds a ref that its owner was not told of says so to all who may let go of it for its
//        sake (B1), once to each, ahead of what lets them.
import type { ObjectId } from '../common/ids.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import type { PeerNotices } from '../protocol/peer-messages.ts'
import type { ObjectEntry } from './object-entry.ts'
import { Peer } from './peers.ts'
import type { References } from './references.ts'
import type { Question, UntilHeard } from './until-heard.ts'

export interface CutBorrowersDeps {
  readonly options: { readonly address: string }
  readonly untilHeard: Pick<UntilHeard, 'ask' | 'mayLive'>
  readonly references: Pick<References, 'find' | 'lend' | 'use'>
}

type Ref = PeerNotices['unheard']['refs'][number]

interface Unheard extends Ref {
  /** Higher with each. */
  readonly number: number
}

export class CutBorrowers {
  readonly #deps: CutBorrowersDeps
  /** CB1. By borrower, what waits for its answer: what it has, and what it was sent. */
  readonly #waiting = new Map<Peer, (() => void)[]>()
  /** CB2. Of what this process holds. */
  readonly #unheard = new Map<ObjectId, Unheard>()
  /** CB2. Of those, the newest one ever, and that which each peer was told of last. */
  #newest = 0
  readonly #toldOf = new WeakMap<Peer, number>()

  /** Questions under way. */
  #holds = 0
  /** Called when one of those is answered. */
  onHeard: (() => void) | undefined

  constructor(deps: CutBorrowersDeps) {
    this.#deps = deps
  }

  /** @param gone  called once, at once where the process has ended (CB1). */
  closed(peer: Peer, gone: () => void): void {
    const { options, untilHeard } = this.#deps
    if (!untilHeard.mayLive(peer)) {
      gone()
      return
    }
    const waiting = this.#waiting.get(peer)
    if (waiting !== undefined) {
      waiting.push(gone)
      return
    }
    const all = [gone]
    this.#waiting.set(peer, all)
    untilHeard.ask({
      address: peer.knownAddress,
      ask: (channel) => channel.request('registerAgain', { address: options.address }),
      done: () => {
        this.#waiting.delete(peer)
        for (const each of all) each()
      },
    })
  }

  /** This process could not register with the owner, at the other end of `peer`, or has waited too
   *  long for that. */
  notHeard(peer: Peer, objectId: ObjectId): void {
    if (nodeIdIn(peer.address) === undefined) return // its process is gone, and all that it owned
    this.#newest += 1
    this.#unheard.delete(objectId) // they are in the order of their numbers
    this.#unheard.set(objectId, { objectId, ownerAddress: peer.address, number: this.#newest })
  }

  /** It has since, or holds it no more. */
  settled(objectId: ObjectId): void {
    this.#unheard.delete(objectId)
  }

  /** CB2. It is about to be told what lets it drop what it gave. */
  tell(peer: Peer): void {
    const known = this.#toldOf.get(peer) ?? 0
    if (this.#unheard.size === 0 || known === this.#newest) return
    this.#toldOf.set(peer, this.#newest)
    const refs = [...this.#unheard.values()].flatMap(({ number, objectId, ownerAddress }) =>
      number > known ? [{ objectId, ownerAddress }] : [],
    )
    if (refs.length === 0) return
    peer.with((channel) => {
      channel.notify('unheard', { refs })
    })
  }

  /** A borrower could not tell the owners of these, which it may have from here: they are cut off
   *  from it, or have left. */
  passOn(borrower: Peer, { refs }: PeerNotices['unheard']): void {
    const { references } = this.#deps
    const address = borrower.knownAddress
    for (const [from, told] of Map.groupBy(refs, ({ ownerAddress }) => ownerAddress)) {
      const shared = told.flatMap(({ objectId }) => references.find(objectId) ?? [])
      this.#settle(shared, from, address)
    }
  }

  /** CB2. The borrower at that address knows `from` as the owner of these. */
  #settle(all: readonly ObjectEntry[], from: string, address: string): void {
    const { options } = this.#deps
    const byOwner = Map.groupBy(all, ({ sharing }) => sharing?.ownerAddress ?? options.address)
    for (const [to, entries] of byOwner) {
      const objectIds = entries.map(({ id }) => id as ObjectId)
      if (to !== from) {
        this.#hold(entries, address, (channel) =>
          channel.request('ownerMoved', { from, to, objectIds }),
        )
      } else if (to === options.address) void this.lendAt(address, objectIds)
      else {
        this.#hold(
          entries,
          to,
          (channel) => channel.request('borrowFor', { objectIds, address }),
          () => {
            const isMoved = (entry: ObjectEntry): boolean => entry.sharing?.ownerAddress !== from
            this.#settle(entries.filter(isMoved), from, address) // it has left meanwhile
          },
        )
      }
    }
  }

  /** Until that process has answered, or is gone. */
  #hold(
    entries: readonly ObjectEntry[],
    address: string,
    ask: Question['ask'],
    answered = (): void => undefined,
  ): void {
    const { references, untilHeard } = this.#deps
    references.use(entries, 1)
    this.#holds += 1
    untilHeard.ask({
      ...{ address, ask },
      done: () => {
        answered()
        references.use(entries, -1)
        this.#holds -= 1
        this.onHeard?.()
      },
    })
  }

  /** Something is held here until an owner has heard of who has it. */
  get holdsSome(): boolean {
    return this.#holds > 0
  }

  /**
   * The borrower at that address has these, and could not say so.
   * @returns resolves when it has, or is gone.
   */
  lendAt(address: string, objectIds: readonly ObjectId[]): Promise<void> {
    const borrower = new Peer(address)
    for (const objectId of objectIds) this.#deps.references.lend(borrower, objectId)
    borrower.close()
    return new Promise((resolve) => {
      this.closed(borrower, resolve)
    })
  }
}
