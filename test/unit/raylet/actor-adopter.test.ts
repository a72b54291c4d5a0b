// Who starts the actors of a dead node again, when those that were to do it die as well.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fromHex, type ActorId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { readActor, registerActor, willHold, type Holder } from '../../../runtime/gcs/actors.ts'
import type { NodeDeath, NodeRow } from '../../../runtime/gcs/nodes.ts'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { ActorAdopter } from '../../../runtime/raylet/actors/actor-adopter.ts'
import { encodeMade, type MadeActor } from '../../../runtime/raylet/actors/actor-origin.ts'
import { clearRowsOf } from '../../../runtime/raylet/cluster/dead-rows.ts'
import type { Stimulus } from '../../../runtime/raylet/client-link.ts'
import { HandClock } from '../../support/hand-clock.ts'

/** Longer than anybody waits for its turn. */
const TURNS_MS = 30_000
const ACTOR = 'ab'.repeat(12)
const OTHER_ACTOR = 'cd'.repeat(12)

const NO_JOBS = { inherit: () => Promise.resolve() }
const codec = new ValueCodec()
let clock: HandClock
let storage: MemoryStorage
let adopters: Map<string, ActorAdopter>
let started: string[]
let buried: object[]
/** The deaths that all others are told of. */
let tellOfDeath: (death: NodeDeath) => Promise<void>
let takenBack: (readonly [nodeId: string, kind: string])[]
let hasArrived: boolean
let isLeaving: boolean
beforeEach(() => {
  hasArrived = true
  isLeaving = false
  tellOfDeath = () => Promise.resolve()
  clock = new HandClock()
  storage = new MemoryStorage()
  adopters = new Map()
  started = []
  takenBack = []
  buried = []
})
afterEach(() => {
  for (const adopter of adopters.values()) adopter.stop()
})

const holder = (nodeId: string): Holder => ({ nodeId, epoch: 1 })
const rowsOf = (living: readonly string[], dead: readonly string[] = []): readonly NodeRow[] =>
  [...living, ...dead].map((nodeId) => {
    return { ...holder(nodeId), state: dead.includes(nodeId) ? 'DEAD' : 'ALIVE' } as NodeRow
  })

/** The brain of that node, which takes back what was offered. */
function asked(nodeId: string, { kind }: Stimulus): Promise<unknown> {
  takenBack.push([nodeId, kind])
  return Promise.resolve(true)
}

/** What these nodes see of all. */
function see(seers: readonly string[], rows: readonly NodeRow[]): void {
  for (const nodeId of seers) {
    const tell = (stimulus: Stimulus): void => {
      if (stimulus.kind === 'actorAdopted') started.push(nodeId)
      if (stimulus.kind === 'actorBuried') buried.push({ ...stimulus, by: nodeId })
    }
    const deps = {
      ...{ storage, clock, log: silentLog, codec, self: holder(nodeId), tell },
      tellOfDeath: (death: NodeDeath) => tellOfDeath(death),
      ...{ hasArrived: () => hasArrived, isLeaving: () => isLeaving },
      brain: { ask: (stimulus: (request: number) => Stimulus) => asked(nodeId, stimulus(1)) },
      clearRowsOf: (gone: Holder) => clearRowsOf({ storage, clock, jobs: NO_JOBS }, gone),
    }
    const adopter = adopters.get(nodeId) ?? new ActorAdopter(deps)
    adopters.set(nodeId, adopter)
    adopter.nodes(rows)
  }
}

async function anActorOn(nodeId: string, actorId = ACTOR, maxRestarts = -1): Promise<void> {
  const spec = { actorId: fromHex(actorId) as ActorId, className: 'Ledger' }
  const made = { spec, origin: { homeId: nodeId, ownerAddress: '' } } as unknown as MadeActor
  await willHold(storage, holder(nodeId), { actorId, incarnation: 0 })
  await registerActor(
    storage,
    {
      ...{ actorId, owner: 'aa', name: null, detached: true, maxRestarts },
      ...{ ...holder(nodeId), spec: encodeMade(codec, made) },
    },
    0,
  )
}

const OTHERS = ['n0', 'n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7']
/** In their order, of the node that dies. */
const heirs = rendezvous('gone#1', OTHERS, OTHERS.length)

test('AH3: its actors are started again though all three that were to do it have died with it', async () => {
  await anActorOn('gone')
  const dying = heirs.slice(0, 3)
  const staying = heirs.slice(3)
  see(staying, rowsOf([...OTHERS, 'gone']))
  see(staying, rowsOf(OTHERS, ['gone']))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([]) // those three are not known to be dead
  see(staying, rowsOf(staying, ['gone', ...dying]))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([heirs[3]])
  expect(await readActor(storage, ACTOR)).toMatchObject({ nodeId: heirs[3], state: 'RESTARTING' })
})

test('AH3: in the end its actors are started again though those that were to do it never saw it', async () => {
  await anActorOn('gone')
  const [fifth = ''] = heirs.slice(4)
  see([fifth], rowsOf([...OTHERS, 'gone']))
  see([fifth], rowsOf(OTHERS, ['gone']))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([])
  await clock.advance(2 * TURNS_MS)
  expect(started).toEqual([fifth])
})

test('AH3: nobody waits for nodes that have come since, and never met the dead one', async () => {
  await anActorOn('gone')
  const [first = '', second = '', third = '', ...staying] = heirs
  const rest = [...staying, 'gone']
  see(staying, rowsOf(rest))
  await clock.advance(TURNS_MS)
  see(staying, rowsOf([first, second, third, ...rest]))
  see(staying, rowsOf([first, second, third, ...staying], ['gone']))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([heirs[3]])
})

test('AH1: of all that live one starts it again, and the first in the order at once', async () => {
  await anActorOn('gone')
  see(OTHERS, rowsOf([...OTHERS, 'gone']))
  see(OTHERS, rowsOf(OTHERS, ['gone']))
  await clock.advance(0)
  expect(started).toEqual([heirs[0]])
  see(OTHERS.slice(1), rowsOf(OTHERS.slice(1), ['gone', 'n0']))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([heirs[0]])
})

test('AH2: of nodes that are dead when they are seen first only those that came later are cleared up after', async () => {
  const [only = ''] = OTHERS
  await anActorOn('gone')
  hasArrived = false
  see([only], rowsOf([only]))
  hasArrived = true
  see([only], rowsOf([only], ['gone'])) // all that it did not know when it arrived
  await clock.advance(TURNS_MS)
  expect(started).toEqual([])
  await anActorOn('short', OTHER_ACTOR)
  see([only], rowsOf([only], ['gone', 'short']))
  // Who asks by its name meanwhile does not take it for one of an earlier life of the cluster.
  expect(adopters.get(only)?.hasMet(holder('short'))).toBe(true)
  expect(adopters.get(only)?.hasMet(holder('gone'))).toBe(false)
  await clock.advance(TURNS_MS)
  expect(started).toEqual([only])
  expect(await readActor(storage, OTHER_ACTOR)).toMatchObject({ nodeId: only })
  expect(await readActor(storage, ACTOR)).toMatchObject({ nodeId: 'gone' })
})

test('AH5: its next life begins once all others know of the death; nobody is told for nothing', async () => {
  const told: NodeDeath[] = []
  const all = Promise.withResolvers<void>()
  tellOfDeath = (death) => {
    told.push(death)
    return all.promise
  }
  await anActorOn('gone')
  see(OTHERS, rowsOf([...OTHERS, 'gone', 'idle']))
  see(OTHERS, rowsOf(OTHERS, ['gone', 'idle']))
  await clock.advance(TURNS_MS)
  expect(told).toMatchObject([holder('gone')])
  expect(await readActor(storage, ACTOR)).toMatchObject({ nodeId: heirs[0], state: 'RESTARTING' })
  expect(started).toEqual([])
  all.resolve()
  await clock.advance(0)
  expect(started).toEqual([heirs[0]])
})

test('AH4: what the dead node had written last, and was executed late, is seen all the same', async () => {
  const [only = ''] = OTHERS
  see([only], rowsOf([only, 'gone']))
  see([only], rowsOf([only], ['gone']))
  await clock.advance(1_000)
  await anActorOn('gone')
  await clock.advance(TURNS_MS)
  expect(started).toEqual([only])
})

test('one that has no restarts is listed by the node that ends it, with why and where it died', async () => {
  await anActorOn('gone', ACTOR, 0)
  see(OTHERS, rowsOf([...OTHERS, 'gone']))
  see(OTHERS, rowsOf(OTHERS, ['gone']))
  await clock.advance(TURNS_MS)
  const death = expect.stringContaining('actor Ledger died: its node gone is dead') as unknown
  expect(buried).toMatchObject([{ by: heirs[0], from: holder('gone'), incarnation: 0, death }])
})

test('AH7: of a node that drains one begins its next life once, however many are asked, and should the node die', async () => {
  await anActorOn('gone')
  see(OTHERS, rowsOf([...OTHERS, 'gone']))
  const left = { actorId: fromHex(ACTOR) as ActorId, incarnation: 0 }
  const ask = async (nodeId: string): Promise<unknown> => adopters.get(nodeId)?.adopt(left)
  expect(await Promise.all(['n3', 'n3', 'n4'].map(ask))).toEqual([true, true, true])
  const row = await readActor(storage, ACTOR)
  expect(row).toMatchObject({ state: 'RESTARTING', incarnation: 1 })
  expect(started).toEqual([row?.nodeId])
  see(OTHERS, rowsOf(OTHERS, ['gone']))
  await clock.advance(TURNS_MS)
  expect(await Promise.all(OTHERS.map(ask))).not.toContain(false)
  expect(started).toEqual([row?.nodeId])
})

test('AH8: what has not begun begins once elsewhere, as the same life, though it has no restart', async () => {
  await anActorOn('gone', ACTOR, 0)
  see(OTHERS, rowsOf([...OTHERS, 'gone']))
  const unbegun = { actorId: fromHex(ACTOR) as ActorId, incarnation: 0, unbegunAt: holder('gone') }
  const ask = async (nodeId: string): Promise<unknown> => adopters.get(nodeId)?.adopt(unbegun)
  expect(await Promise.all(['n3', 'n3', 'n4'].map(ask))).toEqual([true, true, true])
  const row = await readActor(storage, ACTOR)
  expect(row).toMatchObject({ state: 'PENDING_CREATION', incarnation: 0 })
  expect(started).toEqual([row?.nodeId])
  see(OTHERS, rowsOf(OTHERS, ['gone']))
  await clock.advance(TURNS_MS)
  expect(started).toEqual([row?.nodeId])
  expect(buried).toEqual([])
  expect(takenBack).toEqual([])
})

test('AH8: what has not begun where it was offered is for who holds it alone, also as that leaves', async () => {
  await anActorOn('n3', ACTOR, 0)
  see(OTHERS, rowsOf([...OTHERS, 'gone']))
  isLeaving = true
  const unbegun = { actorId: fromHex(ACTOR) as ActorId, incarnation: 0, unbegunAt: holder('gone') }
  expect(await adopters.get('n3')?.adopt(unbegun)).toBe(true)
  expect(takenBack).toEqual([['n3', 'offerReturned']])
  expect(started).toEqual([])
  expect(await readActor(storage, ACTOR)).toMatchObject({ nodeId: 'n3', incarnation: 0 })
})

test.each(['it has no restart left', 'who is asked leaves itself'])(
  'AH7: it is not adopted where %s',
  async (why) => {
    isLeaving = why.startsWith('who')
    await anActorOn('gone', ACTOR, isLeaving ? -1 : 0)
    see(OTHERS, rowsOf([...OTHERS, 'gone']))
    const left = { actorId: fromHex(ACTOR) as ActorId, incarnation: 0 }
    expect(await adopters.get('n3')?.adopt(left)).toBe(false)
    expect(await readActor(storage, ACTOR)).toMatchObject({ nodeId: 'gone', incarnation: 0 })
  },
)
