// What a process tells the owners of what it borrows: that it holds an object, and that it holds it
// no more. Whatever hands on a ref waits for the first (B1); the second comes after all of those.
// Invariants:
//   BT1. An owner counts for this process as often as it was told, less as often as that was taken
//        back: what is still to be taken back of an object that is borrowed anew meanwhile counts.
//   BT2. What is handed on, and answers, wait no longer than SILENT_MS for an owner on another node
//        that does not say that it knows: it may be cut off, and who gave the ref is told so (CB2).
import type { Clock } from '../common/clock.ts'
import { OwnerDiedError } from '../common/errors.ts'
import type { ObjectId } from '../common/ids.ts'
import type { Peer } from './peers.ts'

/** Who must know of owners, and borrowers, that are cut off: cut-borrowers.ts. */
export interface CutLinks {
  /** A borrower's connection has closed. @param gone  called once when what was registered over it
   *  is held there no more, or over another one. */
  closed(peer: Peer, gone: () => void): void
  /** Whether that owner may be cut off while it lives: it is on another node. */
  mayBeCutOff(peer: Peer): boolean
  /** An owner did not answer that it knows, or has not yet. */
  notHeard(peer: Peer, objectId: ObjectId): void
  settled(objectId: ObjectId): void
  /** Ahead of what lets a peer drop what it gave. */
  tell(peer: Peer): void
}

/** BT2. Longer than a living process is silent, as a rule, and short for who waits for an answer. */
const SILENT_MS = 2_000

export interface RegistrationsDeps {
  dial(this: void, address: string): Peer
  readonly clock: Pick<Clock, 'after' | 'monotonicMs'>
  readonly cut: Pick<CutLinks, 'mayBeCutOff' | 'notHeard' | 'settled' | 'tell'>
}

/** BT2. A registration that is waited for. */
interface Asked {
  readonly atMs: number
  giveUp(): void
}

export class Registrations {
  readonly #deps: RegistrationsDeps
  /** Requests that wait for their owners, or for their ends. */
  readonly #pending = new Set<Promise<void>>()
  /** BT1. By object and owner: as few as are collected, or freed, and not told yet. */
  readonly #untold = new Map<string, number>()
  /** BT2. The oldest first; those that were answered are gone. */
  readonly #asked = new Set<Asked>()
  #isTimed = false

  constructor(deps: RegistrationsDeps) {
    this.#deps = deps
  }

  register(id: ObjectId, ownerAddress: string): void {
    const { dial, cut } = this.#deps
    const peer = dial(ownerAddress)
    const registered = registration(peer, id)
    if (cut.mayBeCutOff(peer)) this.keepUntil(this.#heard(peer, id, registered))
    else this.keepUntil(registered.catch(() => cut.notHeard(peer, id))) // it is gone
  }

  /** BT2. One timer for all: there may be thousands. */
  #heard(peer: Peer, id: ObjectId, registered: Promise<void>): Promise<void> {
    const { cut, clock } = this.#deps
    return new Promise((resolve) => {
      const asked: Asked = {
        atMs: clock.monotonicMs(),
        giveUp: () => {
          cut.notHeard(peer, id)
          resolve()
        },
      }
      this.#asked.add(asked)
      this.#time()
      registered.then(
        () => {
          if (!this.#asked.delete(asked)) cut.settled(id)
          resolve()
        },
        () => {
          if (this.#asked.delete(asked)) asked.giveUp()
        },
      )
    })
  }

  #time(): void {
    const { clock } = this.#deps
    const [first] = this.#asked
    if (this.#isTimed || first === undefined) return
    this.#isTimed = true
    clock.after(first.atMs + SILENT_MS - clock.monotonicMs(), () => {
      this.#isTimed = false
      for (const asked of this.#asked) {
        if (clock.monotonicMs() - asked.atMs < SILENT_MS) break
        this.#asked.delete(asked)
        asked.giveUp()
      }
      this.#time()
    })
  }

  /** One that was registered is collected, and that it is held no more is still to be told. */
  willRelease(id: ObjectId, ownerAddress: string): void {
    this.#addUntold(id, ownerAddress, 1)
  }

  /** Of that owner, after a cut: each counts as it should, however often this is done. */
  async registerAgain(held: readonly ObjectId[], ownerAddress: string): Promise<void> {
    const peer = this.#deps.dial(ownerAddress)
    const again = async (id: ObjectId): Promise<void> => {
      await registration(peer, id, 1 + (this.#untold.get(keyOf(id, ownerAddress)) ?? 0))
      this.#deps.cut.settled(id)
    }
    await Promise.all(held.map(again))
  }

  /** @param isAnnounced  by willRelease. */
  release(id: ObjectId, ownerAddress: string, isAnnounced: boolean): void {
    const send = (): void => {
      const peer = this.#deps.dial(ownerAddress)
      this.#deps.cut.tell(peer)
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
        .then(resolve, reject)
        .finally(forget)
    })
  })
}
