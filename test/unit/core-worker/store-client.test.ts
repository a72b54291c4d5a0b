// This process's pins: kept a moment for the next get, given up when the store runs short.
import { describe, expect, it } from 'vitest'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { PIN_LINGER_MS } from '../../../runtime/common/limits.ts'
import { StoreClient } from '../../../runtime/core-worker/store-client.ts'
import { HandClock } from '../../support/hand-clock.ts'

const OBJECT = 'object' as ObjectId
const AT = { objectId: OBJECT, sizeBytes: 4 }

/** A store whose mappings end when the test says so. */
class World {
  readonly #clock = new HandClock()
  readonly asked: string[] = []
  readonly #unmaps: (() => void)[] = []
  readonly client: StoreClient
  /** Pins are granted after it. */
  granting = Promise.resolve()

  constructor() {
    const refuse = (): Promise<never> => Promise.reject(new TypeError('nobody writes here'))
    this.client = new StoreClient({
      clock: this.#clock,
      collector: { collect: () => this.asked.push('collect') },
      memory: {
        client: {
          writable: (_offset, sizeBytes) => new Uint8Array(sizeBytes),
          written: () => undefined,
          readable: (_offset, sizeBytes, released) => {
            this.#unmaps.push(() => released?.())
            return new Uint8Array(sizeBytes)
          },
          close: () => undefined,
        },
        direct: { write: refuse, read: refuse },
      },
      link: {
        create: refuse,
        seal: refuse,
        pin: async () => {
          this.asked.push('pin')
          await this.granting
          return { offset: 0, sizeBytes: 4 }
        },
        drop: refuse,
        abort: () => undefined,
        damaged: () => undefined,
        unpin: () => this.asked.push('unpin'),
        unwant: () => this.asked.push('unwant'),
      },
    })
  }

  /** The oldest mapping is gone. */
  unmap(): void {
    this.#unmaps.shift()?.()
  }

  wait(durationMs: number): void {
    this.#clock.turn(durationMs)
  }
}

describe('the pins of a process', () => {
  it('outlive the last mapping a moment, so that the next get asks nobody', async () => {
    const world = new World()
    await world.client.read(AT)
    world.unmap()
    world.wait(PIN_LINGER_MS - 1)
    await world.client.read(AT)
    expect(world.asked).toEqual(['pin'])
    world.unmap()
    world.wait(PIN_LINGER_MS)
    expect(world.asked).toEqual(['pin', 'unpin'])
  })

  it('are given up when the store runs short: the idle at once, others with their mapping', async () => {
    const world = new World()
    await world.client.read(AT)
    world.client.shed()
    expect(world.asked).toEqual(['pin', 'collect'])
    world.wait(20) // the collector has found it, and V8 has unmapped it
    world.unmap()
    expect(world.asked).toEqual(['pin', 'collect', 'unpin'])
    await world.client.read(AT)
    world.wait(PIN_LINGER_MS)
    world.unmap()
    expect(world.asked).toEqual(['pin', 'collect', 'unpin', 'pin'])
    world.client.shed()
    expect(world.asked.slice(4)).toEqual(['collect', 'unpin'])
  })

  it('stay while a read maps what was fetched at the same time, though the store runs short (SC1)', async () => {
    const world = new World()
    world.client.shed()
    await Promise.all([world.client.fetch(AT).done, world.client.read(AT)])
    expect(world.asked).toEqual(['collect', 'pin'])
    world.unmap()
    expect(world.asked).toEqual(['collect', 'pin', 'unpin'])
  })

  it('go with the last mapping of a freed object', async () => {
    const world = new World()
    await world.client.read(AT)
    await world.client.read(AT)
    world.client.freed(OBJECT)
    world.unmap()
    expect(world.asked).toEqual(['pin'])
    world.unmap()
    expect(world.asked).toEqual(['pin', 'unpin'])
  })

  it('SC4 what nobody wants any more is taken back once, and a pin that came is given up', async () => {
    const world = new World()
    const granted = Promise.withResolvers<void>()
    world.granting = granted.promise
    const one = world.client.fetch(AT)
    const other = world.client.fetch(AT)
    one.leave()
    expect(world.asked).toEqual(['pin'])
    other.leave()
    expect(world.asked).toEqual(['pin', 'unwant'])
    const again = world.client.fetch(AT) // asks anew
    granted.resolve()
    await expect(one.done).rejects.toThrow('nobody wants')
    await expect(other.done).rejects.toThrow('nobody wants')
    await again.done
    expect(world.asked).toEqual(['pin', 'unwant', 'pin', 'unpin'])
    again.leave() // it is here
    world.wait(PIN_LINGER_MS)
    expect(world.asked).toEqual(['pin', 'unwant', 'pin', 'unpin', 'unpin'])
  })

  it('SC4 a fetch that is left goes on for who reads the same', async () => {
    const world = new World()
    const granted = Promise.withResolvers<void>()
    world.granting = granted.promise
    const fetching = world.client.fetch(AT)
    const reading = world.client.read(AT)
    fetching.leave()
    granted.resolve()
    await reading
    expect(world.asked).toEqual(['pin'])
  })
})
