// What a process tells the owners of what it borrows: that it holds an object, and that it holds it
// no more. Whatever hands on a ref waits for the first (B1); the second comes after all of those.
// Invariants:
//   BT1. An owner counts for this process as often as it was told, less as often as that was taken
//        back: what is still to be taken back of an object that is borrowed anew meanwhile counts.
import { OwnerDiedError } from '../common/errors.ts'
import type { ObjectId } from '../common/ids.ts'
import type { Peer } from './peers.ts'

/** Who must know of owners, and borrowers, that are cut off: cut-borrowers.ts. */
export interface CutLinks {
  /** A borrower's connection has closed. @param gone  called once when what was registered over it
   *  is held there no more, or over another one. */
  closed(peer: Peer, gone: () => void): void
  /** An owner did not answer that it knows. */
  notHeard(peer: Peer, objectId: ObjectId): void
  settled(objectId: ObjectId): void
  /** Ahead of what lets a peer drop what it gave. */
  tell(peer: Peer): void
}

export class Registrations {
  readonly #dial: (address: string) => Peer
  readonly #cut: Pick<CutLinks, 'notHeard' | 'settled' | 'tell'>
  /** Requests that wait for their owners, or for their ends. */
  readonly #pending = new Set<Promise<void>>()
  /** BT1. By object and owner: as few as are collected, or freed, and not told yet. */
  readonly #untold = new Map<string, number>()

  constructor(
    dial: (address: string) => Peer,
    cut: Pick<CutLinks, 'notHeard' | 'settled' | 'tell'>,
  ) {
    this.#dial = dial
    this.#cut = cut
  }

  register(id: ObjectId, ownerAddress: string): void {
    const peer = this.#dial(ownerAddress)
    const registered = registration(peer, id)
    // Else the owner is gone, and a get will say so; or it is cut off.
    this.keepUntil(
      registered.catch(() => {
        this.#cut.notHeard(peer, id)
      }),
    )
  }

  /** One that was registered is collected, and that it is held no more is still to be told. */
  willRelease(id: ObjectId, ownerAddress: string): void {
    this.#addUntold(id, ownerAddress, 1)
  }

  /** Of that owner, after a cut: each counts as it should, however often this is done. */
  async registerAgain(held: readonly ObjectId[], ownerAddress: string): Promise<void> {
    const peer = this.#dial(ownerAddress)
    const again = async (id: ObjectId): Promise<void> => {
      await registration(peer, id, 1 + (this.#untold.get(keyOf(id, ownerAddress)) ?? 0))
      this.#cut.settled(id)
    }
    await Promise.all(held.map(again))
  }

  /** @param isAnnounced  by willRelease. */
  release(id: ObjectId, ownerAddress: string, isAnnounced: boolean): void {
    const send = (): void => {
      const peer = this.#dial(ownerAddress)
      this.#cut.tell(peer)
      peer.with((channel) => {
        channel.notify('release', { objectId: id })
      })
    }
    const settling = this.settled()
    if (settling === undefined && !isAnnounced) {
      send()
      return
    }
    if (!isAnnounced) this.willRelease(id, ownerAddress)
    const sendAnnounced = (): void => {
      this.#addUntold(id, ownerAddress, -1)
      send()
    }
    if (settling === undefined) sendAnnounced()
    else settling.then(sendAnnounced, sendAnnounced)
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

  #addUntold(id: ObjectId, ownerAddress: string, by: 1 | -1): void {
    const key = keyOf(id, ownerAddress)
    const count = (this.#untold.get(key) ?? 0) + by
    if (count > 0) this.#untold.set(key, count)
    else this.#untold.delete(key)
  }
}

const keyOf = (id: ObjectId, ownerAddress: string): string => `${id}${ownerAddress}`

/** @param times  of this process in all, after a cut. Rejects when the owner does not answer. */
function registration(peer: Peer, objectId: ObjectId, times?: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const forget = peer.whenClosed(() => {
      reject(new OwnerDiedError('the owner was lost before it knew of a borrower'))
    })
    peer.with((channel) => {
      channel
        .request('borrow', times === undefined ? { objectId } : { objectId, times })
        .then(() => {
          forget()
          resolve()
        }, reject)
    })
  })
}
