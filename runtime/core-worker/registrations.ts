// What a process tells the owners of what it borrows: that it holds an object, and that it holds it
// no more. Whatever hands on a ref waits for the first (B1); the second comes after all of those.
import { OwnerDiedError } from '../common/errors.ts'
import type { ObjectId } from '../common/ids.ts'
import type { Peer } from './peers.ts'

export class Registrations {
  readonly #dial: (address: string) => Peer
  /** Requests that wait for their owners, or for their ends. */
  readonly #pending = new Set<Promise<void>>()

  constructor(dial: (address: string) => Peer) {
    this.#dial = dial
  }

  register(id: ObjectId, ownerAddress: string): void {
    const registered = registration(this.#dial(ownerAddress), id)
    // Else the owner is gone; a get will say so.
    this.keepUntil(registered.catch(() => undefined))
  }

  /** Of that owner, after a cut: each counts once, however often this is done. */
  async registerAgain(held: readonly ObjectId[], ownerAddress: string): Promise<void> {
    const peer = this.#dial(ownerAddress)
    await Promise.all(held.map((id) => registration(peer, id, true)))
  }

  release(id: ObjectId, ownerAddress: string): void {
    const send = (): void => {
      this.#dial(ownerAddress).with((channel) => {
        channel.notify('release', { objectId: id })
      })
    }
    const settling = this.settled()
    if (settling === undefined) send()
    else settling.then(send, send)
  }

  /** What is about to leave stays until `settled` has. */
  keepUntil(settled: Promise<void>): void {
    this.#pending.add(settled)
    void settled.then(() => this.#pending.delete(settled))
  }

  /** Resolves when every borrow begun so far is registered with its owner (B1). */
  settled(): Promise<unknown> | undefined {
    return this.#pending.size === 0 ? undefined : Promise.all(this.#pending)
  }
}

/** Rejects when the owner does not answer. */
function registration(peer: Peer, objectId: ObjectId, again = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const forget = peer.whenClosed(() => {
      reject(new OwnerDiedError('the owner was lost before it knew of a borrower'))
    })
    peer.with((channel) => {
      channel.request('borrow', again ? { objectId, again } : { objectId }).then(() => {
        forget()
        resolve()
      }, reject)
    })
  })
}
