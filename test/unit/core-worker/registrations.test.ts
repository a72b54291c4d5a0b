// How often an owner counts for a borrower, over a cut, while some of what the borrower holds no
// more is still to be told (BT1); and how long answers wait for one that is silent (BT2).
import { describe, expect, test } from 'vitest'
import { ObjectFreedError } from '../../../runtime/common/errors.ts'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import {
  Registrations,
  type RegistrationsDeps,
} from '../../../runtime/core-worker/registrations.ts'
import { HandClock } from '../../support/hand-clock.ts'

const OWNER = 'h:2/bb/1@/tmp/o.sock'
const ID = 'x' as ObjectId
const OTHER = 'y' as ObjectId

/** What the owner counts at the newest connection, as Borrowers.lend and release do. */
class Owner {
  counts = new Map<ObjectId, number>()
  peer = this.#connected()
  answers = Promise.resolve<undefined>(undefined)
  refuses = false
  /** Of the newest connection, who wants to hear of its close. */
  listeners = 0

  /** What was registered over the connection that broke is gone once all is registered anew. */
  cut(): void {
    this.peer.close()
    this.counts = new Map()
    this.peer = this.#connected()
  }

  #connected(): Peer {
    const peer = new Peer(OWNER)
    const channel = {
      request: (_: string, { objectId, times }: { objectId: ObjectId; times?: number }) => {
        const before = this.counts.get(objectId) ?? 0
        this.counts.set(objectId, times === undefined ? before + 1 : Math.max(before, times))
        if (this.refuses) return Promise.reject(new ObjectFreedError('it was freed'))
        return this.answers
      },
      notify: (_: string, { objectId }: { objectId: ObjectId }) => {
        this.counts.set(objectId, (this.counts.get(objectId) ?? 0) - 1)
      },
    }
    peer.opened(channel as unknown as PeerChannel)
    const whenClosed = peer.whenClosed.bind(peer)
    this.listeners = 0
    peer.whenClosed = (listener) => {
      this.listeners += 1
      const forget = whenClosed(listener)
      return () => {
        this.listeners -= 1
        forget()
      }
    }
    return peer
  }
}

function world({ isElsewhere = true } = {}) {
  const owner = new Owner()
  const clock = new HandClock()
  const unheard = new Set<ObjectId>()
  const cut: RegistrationsDeps['cut'] = {
    mayBeCutOff: () => isElsewhere,
    notHeard: (_, id) => void unheard.add(id),
    settled: (id) => void unheard.delete(id),
    tell: () => undefined,
  }
  const registrations = new Registrations({ dial: () => owner.peer, clock, cut })
  return { owner, clock, unheard, registrations }
}

describe('an owner that does not say that it knows', () => {
  test('BT2 on another node: what waits for that goes on after 2 s, and who gave the ref is to be told', async () => {
    const { owner, clock, unheard, registrations } = world()
    const answer = Promise.withResolvers<undefined>()
    owner.answers = answer.promise
    registrations.register(ID, OWNER)
    await clock.advance(1_000)
    registrations.register(OTHER, OWNER)
    let isSettled = false
    void registrations.settled()?.then(() => (isSettled = true))
    await clock.advance(1_999)
    expect([...unheard, isSettled]).toEqual([ID, false])
    await clock.advance(1)
    expect([...unheard, isSettled]).toEqual([ID, OTHER, true])
    expect(registrations.settled()).toBeUndefined()
    answer.resolve(undefined)
    await clock.advance(0)
    expect(unheard.size).toBe(0)
    expect(clock.pendingCount).toBe(0)
  })

  test('BT2 on this node: it is waited for, as nobody else could tell it', async () => {
    const { owner, clock, registrations } = world({ isElsewhere: false })
    owner.answers = new Promise(() => undefined)
    registrations.register(ID, OWNER)
    await clock.advance(60_000)
    expect(registrations.settled()).toBeDefined()
    owner.cut()
    await registrations.settled()
  })

  test.each([true, false])('leaves no listener, nor does one that refuses: %s', async (refuses) => {
    const { owner, registrations } = world()
    owner.refuses = refuses
    registrations.register(ID, OWNER)
    expect(owner.listeners).toBe(1)
    await registrations.settled()
    expect(owner.listeners).toBe(0)
  })
})

describe('a ref that is borrowed anew before a cut', () => {
  test('D222 while the one before was collected and not reported: the late report takes back that one', async () => {
    const { owner, registrations } = world()
    registrations.register(ID, OWNER)
    registrations.willRelease(ID, OWNER)
    registrations.register(ID, OWNER)
    await registrations.settled()
    owner.cut()
    await registrations.registerAgain([ID], OWNER)
    await registrations.registerAgain([ID], OWNER)
    registrations.release(ID, OWNER, true)
    expect(owner.counts.get(ID)).toBe(1)
    registrations.release(ID, OWNER, false)
    expect(owner.counts.get(ID)).toBe(0)
  })

  test('D222 while the one before was freed, and a registration kept that from being told', async () => {
    const { owner, registrations } = world()
    registrations.register(ID, OWNER)
    await registrations.settled()
    owner.answers = new Promise(() => undefined)
    registrations.register(OTHER, OWNER)
    registrations.release(ID, OWNER, false)
    owner.answers = Promise.resolve(undefined)
    registrations.register(ID, OWNER)
    const settled = registrations.settled()
    owner.cut()
    await registrations.registerAgain([ID], OWNER)
    await settled
    await registrations.settled()
    expect(owner.counts.get(ID)).toBe(1)
  })
})
