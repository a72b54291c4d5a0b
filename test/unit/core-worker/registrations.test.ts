// How often an owner counts for a borrower, over a cut, while some of what the borrower holds no
// more is still to be told (BT1).
import { describe, expect, test } from 'vitest'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import { Registrations } from '../../../runtime/core-worker/registrations.ts'

const OWNER = 'h:2/bb/1@/tmp/o.sock'
const ID = 'x' as ObjectId
const OTHER = 'y' as ObjectId

/** What the owner counts at the newest connection, as References.lend and release do. */
class Owner {
  counts = new Map<ObjectId, number>()
  peer = this.#connected()
  answers = true

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
        return this.answers ? Promise.resolve() : new Promise(() => undefined)
      },
      notify: (_: string, { objectId }: { objectId: ObjectId }) => {
        this.counts.set(objectId, (this.counts.get(objectId) ?? 0) - 1)
      },
    }
    peer.opened(channel as unknown as PeerChannel)
    return peer
  }
}

function world(): { owner: Owner; registrations: Registrations } {
  const owner = new Owner()
  const none = (): void => undefined
  const cut = { notHeard: none, settled: none, tell: none }
  return { owner, registrations: new Registrations(() => owner.peer, cut) }
}

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
    owner.answers = false
    registrations.register(OTHER, OWNER)
    registrations.release(ID, OWNER, false)
    owner.answers = true
    registrations.register(ID, OWNER)
    const settled = registrations.settled()
    owner.cut()
    await registrations.registerAgain([ID], OWNER)
    await settled
    await registrations.settled()
    expect(owner.counts.get(ID)).toBe(1)
  })
})
