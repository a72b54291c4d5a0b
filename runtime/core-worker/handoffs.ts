// Refs that travel inside results, failures and stream items, held by their sender until the
// receiver has registered them with their owners and said so (B1 of references.ts).
//   sender    offer ─► the message carries id and refs ─► done, or the receiver's end
//   receiver  take ─► registered ─► handoffDone
// A receiver whose connection was cut may have taken what it was sent, and its receipt is lost:
// that is held until it has registered anew all that it has (cut-borrowers.ts).
// Arguments need no receipt: their sender holds them until the reply, which the receiver sends only
// once it has registered them.
import type { HandoffMessage } from '../protocol/peer-messages.ts'
import { sharedEntries } from './handles.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import type { CutLinks } from './registrations.ts'

export class Handoffs {
  readonly #references: References
  readonly #closed: CutLinks['closed']
  /** By receiver, the messages that it has not acknowledged yet. */
  readonly #open = new Map<Peer, Map<number, readonly ObjectEntry[]>>()
  #nextId = 1
  /** Called when a receiver has registered what it was sent, or has ended. */
  onDone: (() => void) | undefined

  /** @param closed  calls `gone` once what that receiver has is registered, or it has ended. */
  constructor(references: References, closed: CutLinks['closed']) {
    this.#references = references
    this.#closed = closed
  }

  /** Whether some receiver has still to register what it was sent. */
  get isOpen(): boolean {
    for (const open of this.#open.values()) if (open.size > 0) return true
    return false
  }

  /** Holds the refs and actor handles inside a value from now on; undefined if it has none. */
  offer(peer: Peer, handles: readonly object[]): HandoffMessage | undefined {
    if (handles.length === 0) return undefined
    const entries = sharedEntries(handles)
    const refs = entries.map((entry) => this.#references.encode(entry))
    const id = this.#nextId++
    if (peer.closed) return { id, refs } // nobody will take it
    this.#references.use(entries, 1)
    this.#openAt(peer).set(id, entries)
    return { id, refs }
  }

  /** The receiver has registered them, or the message was never sent. */
  done(peer: Peer, id: number): void {
    const open = this.#open.get(peer)
    const entries = open?.get(id)
    if (open === undefined || entries === undefined) return
    open.delete(id)
    this.#references.use(entries, -1)
    this.onDone?.()
  }

  /** Registers refs that arrived; the sender is told when that is done.
   *  @param keep  whatever is to hold them must do so in this: what did until now may end in it. */
  take(
    peer: Peer,
    handoff: HandoffMessage | undefined,
    keep: (entries: readonly ObjectEntry[]) => void,
  ): void {
    if (handoff === undefined) {
      keep([])
      return
    }
    const entries = handoff.refs.map((ref) => this.#references.decode(ref))
    this.#references.use(entries, 1)
    const done = (): void => {
      this.#references.tellUnheard(peer)
      peer.with((channel) => {
        channel.notify('handoffDone', { handoffId: handoff.id })
      })
    }
    const settling = this.#references.settled()
    if (settling === undefined) done()
    else settling.then(done, done)
    try {
      keep(entries)
    } finally {
      this.#references.use(entries, -1)
    }
  }

  #openAt(peer: Peer): Map<number, readonly ObjectEntry[]> {
    const known = this.#open.get(peer)
    if (known !== undefined) return known
    const open = new Map<number, readonly ObjectEntry[]>()
    this.#open.set(peer, open)
    peer.whenClosed(() => {
      this.#closed(peer, () => {
        this.#open.delete(peer)
        for (const entries of open.values()) this.#references.use(entries, -1)
        this.onDone?.()
      })
    })
    return open
  }
}
