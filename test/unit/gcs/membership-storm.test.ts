// Members killed one after the other, each replaced, while calls to the GCS fail: once that is
// over, everybody knows who is left. `npm run chaos` does so to real nodes.
import { afterEach, expect, test } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { TestMembers } from '../../support/members.ts'
import { scaled } from '../../support/scale.ts'
import { seeded } from '../../support/seeded.ts'

const HOSTS = 5
const KILLS = 30
const CALM_MS = 60_000

let members: TestMembers | undefined
afterEach(() => {
  members?.stopAll()
})

test.each(Array.from({ length: scaled(100) }, (_, index) => index + 1))(
  'F10, WA3: after a storm of deaths the dead are known to be dead within 60 s, seed %i',
  async (seed) => {
    const random = seeded(seed)
    const below = (limit: number): number => Math.floor(random() * limit)
    let failing = 0.3
    const memory = new MemoryStorage()
    const get: Storage['get'] = async (key) => {
      if (random() < failing) throw new GcsUnavailableError('it failed')
      return await memory.get(key)
    }
    const storm = (members = new TestMembers(changedStorage(memory, { get })))
    storm.repeats = true
    storm.latencyMs = 100
    const living = (): string[] =>
      [...storm.nodes.values()].flatMap((node) => (node.dead ? [] : [node.id]))
    const hex = (): string => Array.from({ length: 8 }, () => below(16).toString(16)).join('')
    const passing = async <T>(work: Promise<T>): Promise<T> => {
      let over = false
      const done = work.finally(() => (over = true))
      while (!over) await storm.clock.advance(100)
      return await done
    }
    for (let host = 0; host < HOSTS; host += 1) await passing(storm.add(hex()))
    for (let kill = 0; kill < KILLS; kill += 1) {
      await storm.clock.advance(below(20_000))
      const ids = living()
      storm.kill(ids[below(ids.length)] as string)
      await storm.clock.advance(2_000)
      await passing(storm.add(hex()))
    }
    failing = 0
    await storm.clock.advance(CALM_MS)
    const ids = living().toSorted()
    for (const id of ids) {
      const seen = storm.nodes.get(id)?.living.map(({ nodeId }) => nodeId)
      expect(seen?.toSorted(), id).toEqual(ids)
    }
  },
  60_000,
)
