// What may lie on a node that does not answer, and is not known to be dead, is waited for.
import { describe, expect, test } from 'vitest'
import { get, wait, type ObjectRef } from '../../../sdk/index.ts'
import { currentWorker } from '../../../sdk/current.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, keeperOn, losePower, on, processesOn } from './scene.ts'
import { RemoteTeller, lendAll } from './workload.ts'
import type { SimMember } from './member.ts'

/** Longer than any death takes to be known while the GCS answers. */
const AWAY_MS = 170_000
/** README: dead within 21 s, which all know 5 s later. */
const KNOWN_DEAD_MS = 30_000
/** Of a get that does not wait for that. */
const BOUND_MS = 3_000
const KEY = 'made elsewhere'
const LENT = aDoing('lent')

const SILENCE = 'node N, silent for minutes, not known to be dead'
const SILENT = `a get of it waits for ${SILENCE}`
const WHY_AT_MS = 100_000

const SECONDS = /for (\d+) s/
const minutes = (text: string, seconds: string): string =>
  Number(seconds) > 60 ? 'for minutes' : text

const GCS_AWAY = [
  'the GCS does not answer it: new actors, groups, names and nodes wait until it does',
  'the GCS, which is to have its row, does not answer',
]

/** What `virga status --why` says in the middle of it, with figures and ids as their kinds. */
async function whyThen(): Promise<unknown[]> {
  await remote.sleep(WHY_AT_MS)
  const { raylet } = currentWorker('a look').deps
  const { rows } = await raylet.request('state', { kind: 'why' })
  return rows.map(({ why }) =>
    String(why)
      .replace(/node [0-9a-f]+/, 'node N')
      .replace(SECONDS, minutes),
  )
}

/** @returns what a get gives of what only the other node has, how often that was begun, and why
 *  it waited. */
const readWhile = (
  nodeCount: number,
  strike: (scene: Scene, there: SimMember) => void,
): Promise<readonly [value: number, starts: number | undefined, why: unknown]> =>
  playNodes({
    plan: calmNodes(nodeCount),
    program: async (scene) => {
      const [there] = scene.others as [SimMember]
      const ref = remote.combine
        .options({ schedulingStrategy: on(there, true) })
        .remote(aDoing(KEY))
      await wait([ref], { fetchLocal: false })
      strike(scene, there)
      const [read, why] = await Promise.all([get(ref), whyThen()])
      ref.free()
      return [remote.digestOf(read), scene.cluster.ledger.tasks.get(KEY)?.starts, why]
    },
  })

describe('a node that is silent for minutes', () => {
  test('RV2 behind a cut link: what it has is read once the link is whole', async () => {
    const read = await readWhile(2, ({ cluster, home }, there) => {
      cluster.world.network.holdMachines(home.machine, there.machine, AWAY_MS)
    })
    expect(read).toEqual([remote.combined(KEY, []), 1, [SILENT]])
  })

  test('RV2 dead in an outage of the GCS: what it had is made again once that is back', async () => {
    const read = await readWhile(3, (scene, there) => {
      const { members, world } = scene.cluster
      for (const { quality } of members) quality.failChance = 1
      losePower(scene, there)
      RemoteTeller.remote('made in the outage', false)
      world.scheduler.at(world.scheduler.nowMs + AWAY_MS, undefined, 'the GCS is back', () => {
        for (const { quality } of members) quality.failChance = 0
      })
    })
    expect(read).toEqual([remote.combined(KEY, []), 2, [...GCS_AWAY, SILENT]])
  })

  test.each(['timeoutMs', 'signal'] as const)(
    'GE1 behind a cut link: a get of what it has ends by its %s, and the next one reads it',
    async (bound) => {
      const [ended, digest] = await playNodes({
        plan: calmNodes(2),
        program: async ({ cluster: { world }, home, others }) => {
          const [there] = others as [SimMember]
          const makes = remote.combine.options({ schedulingStrategy: on(there) })
          const ref = makes.remote(aDoing(KEY))
          await wait([ref], { fetchLocal: false })
          world.network.holdMachines(home.machine, there.machine, AWAY_MS)
          const beganMs = world.scheduler.nowMs
          const enough = new AbortController()
          if (bound === 'signal') {
            remote.here().process.later(BOUND_MS, 'has waited enough', () => {
              enough.abort(new Error('enough'))
            })
          }
          const options = bound === 'signal' ? { signal: enough.signal } : { timeoutMs: BOUND_MS }
          const ends = await Promise.allSettled([get([ref], options), get(ref, options)])
          const forMs = world.scheduler.nowMs - beganMs
          return [{ ends, forMs }, remote.digestOf(await get(ref))] as const
        },
      })
      const reason = bound === 'signal' ? { message: 'enough' } : { code: 'ERR_GET_TIMEOUT' }
      expect(ended.ends).toMatchObject([{ reason }, { reason }])
      expect(ended.forMs).toBeCloseTo(BOUND_MS, 0)
      expect(digest).toBe(remote.combined(KEY, []))
    },
  )

  test('AL1 the owner of what is read is behind a cut link, and lives: it is asked again', async () => {
    const read = await playNodes({
      plan: calmNodes(2),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const keeper = keeperOn(there)
        const { refs } = await keeper.giveAway.run(LENT)
        await remote.sleep(1_000)
        cluster.world.network.holdMachines(home.machine, there.machine, AWAY_MS)
        const [value, why] = await Promise.all([get(refs[0] as ObjectRef<remote.Value>), whyThen()])
        return [remote.digestOf(value), why]
      },
    })
    const why = `a get of it waits for its owner on ${SILENCE}`
    expect(read).toEqual([remote.digestOfPart(LENT, 0), [why]])
  })

  test.each([
    ['large', 200_000],
    ['small', 0],
  ])(
    'PE4 all of it stands still: what is read of it ends once it is dead: %s',
    async (_, sizeBytes) => {
      const [value, forMs] = await playNodes({
        plan: calmNodes(3),
        program: async ({ cluster: { world }, others }) => {
          const [there] = others as [SimMember]
          const lending = lendAll.options({ schedulingStrategy: on(there) })
          const { stored } = await lending.run({ ...LENT, sizeBytes }, 2 * AWAY_MS)
          there.mayDie(world.scheduler.nowMs + AWAY_MS)
          for (const process of processesOn(world, there)) process.pause(AWAY_MS)
          const beganMs = world.scheduler.nowMs
          const value = await get(stored).then(remote.digestOf, (error: unknown) => error)
          return [value, world.scheduler.nowMs - beganMs] as const
        },
      })
      if (sizeBytes === 0) expect(value).toBe(remote.digestOfPart({ ...LENT, sizeBytes }, 0))
      else expect(value).toMatchObject({ code: 'ERR_OWNER_DIED' })
      expect(forMs).toBeLessThan(KNOWN_DEAD_MS)
    },
  )

  test('B1 what an owner lent comes through, and word of that does not: it is there after the cut', async () => {
    const read = await playNodes({
      plan: calmNodes(2),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const keeper = keeperOn(there)
        await keeper.drop.run()
        const giving = keeper.giveAway.remote({ ...LENT, sleepMs: 2_000 })
        await remote.sleep(1_000)
        cluster.world.network.holdOneWay(home.machine, there.machine, 40_000)
        const { refs } = await get(giving)
        await remote.sleep(60_000)
        return remote.digestOf(await get(refs[0] as ObjectRef<remote.Value>))
      },
    })
    expect(read).toBe(remote.digestOfPart(LENT, 0))
  })
})
