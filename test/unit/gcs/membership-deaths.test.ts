// How long a node that has lost its power counts as alive, when many die and watch each other.
import { afterEach, expect, test } from 'vitest'
import { readNode } from '../../../runtime/gcs/nodes.ts'
import { TestMembers } from '../../support/members.ts'
import { scaled } from '../../support/scale.ts'
import { seeded } from '../../support/seeded.ts'

/** A lease, what it takes to be sure that nobody answers, three times, and to read and write. */
const DEAD_WITHIN_MS = 45_000
const LOOK_MS = 500

const seeds = Array.from({ length: scaled(100) }, (_, index) => index + 1)

let members = new TestMembers()
afterEach(() => {
  members.stopAll()
})

class Storm {
  readonly below: (limit: number) => number
  readonly #killedAt = new Map<string, number>()
  /** From the death of a node until its row said so. */
  readonly tookMs = new Map<string, number>()

  constructor(seed: number) {
    const random = seeded(seed)
    this.below = (limit) => Math.floor(random() * limit)
    members = new TestMembers()
    members.latencyMs = 5
  }

  async add(): Promise<void> {
    const id = Array.from({ length: 8 }, () => this.below(16).toString(16)).join('')
    let isOver = false
    const adding = members.add(id).finally(() => (isOver = true))
    while (!isOver) await this.pass(LOOK_MS)
    await adding
  }

  kill(): void {
    const living = [...members.nodes.values()].filter(({ dead }) => !dead)
    const id = living[this.below(living.length)]?.id ?? ''
    members.kill(id)
    this.#killedAt.set(id, members.clock.monotonicMs())
  }

  async pass(ms: number): Promise<void> {
    const endMs = members.clock.monotonicMs() + ms
    while (members.clock.monotonicMs() < endMs) {
      await members.clock.advance(LOOK_MS)
      for (const [id, atMs] of this.#killedAt) {
        if ((await readNode(members.storage, id))?.state !== 'DEAD') continue
        this.#killedAt.delete(id)
        this.tookMs.set(id, members.clock.monotonicMs() - atMs)
      }
    }
  }
}

test.each(seeds)(
  'F10, WA4: of eight that die within 45 s, each replaced, each is dead soon, seed %i',
  async (seed) => {
    const storm = new Storm(seed)
    for (let host = 0; host < 5; host += 1) await storm.add()
    await storm.pass(10_000)
    for (let kill = 0; kill < 8; kill += 1) {
      storm.kill()
      await storm.pass(2_000)
      await storm.add()
      await storm.pass(storm.below(8_000))
    }
    await storm.pass(60_000)
    expect(storm.tookMs.size).toBe(8)
    expect(Math.max(...storm.tookMs.values())).toBeLessThanOrEqual(DEAD_WITHIN_MS)
  },
  60_000,
)

test.each([
  [6, 3],
  [10, 7],
  [20, 17],
  [30, 20],
])(
  'F10, WA3: of %i nodes %i die at once: each is dead as soon, however many watch each other',
  async (nodes, deaths) => {
    for (const seed of seeds.slice(0, 10)) {
      const storm = new Storm(seed)
      for (let index = 0; index < nodes; index += 1) await storm.add()
      await storm.pass(10_000)
      for (let kill = 0; kill < deaths; kill += 1) storm.kill()
      await storm.pass(60_000)
      expect(storm.tookMs.size).toBe(deaths)
      expect(Math.max(...storm.tookMs.values())).toBeLessThanOrEqual(DEAD_WITHIN_MS)
    }
  },
  60_000,
)
