// What a dead node had spilled stays as long as a job lives that may read it, and is swept once, by
// one of those that live; again after a failure, and at the latest when the cluster ends.
import { beforeEach, expect, it, vi } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { NodeStore } from '../../../runtime/raylet/node-store.ts'
import {
  SpillSweeper,
  type SpillSweeperDeps,
} from '../../../runtime/raylet/cluster/spill-sweeper.ts'
import { LOOK_MS_MAX, LOOK_MS_MIN } from '../../../runtime/raylet/cluster/looks.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { detachedActorOf, endActorOf } from './actor-row.ts'

const LIVING = ['a', 'b', 'c']
const row = (nodeId: string, state: string): NodeRow => ({ nodeId, epoch: 1, state }) as NodeRow
const rows = (dead: readonly string[]): NodeRow[] =>
  [...LIVING, 'd', 'e'].map((id) => row(id, dead.includes(id) ? 'DEAD' : 'ALIVE'))

let clock: HandClock
let storage: MemoryStorage
/** By the nodes where something of them lives. */
let jobs: Map<string, JobId[]>
let silent: string[]
let failures: number
let swept: string[]
let known: NodeRow[]
let asked: number
let all: SpillSweeper[]

beforeEach(() => {
  clock = new HandClock()
  storage = new MemoryStorage()
  jobs = new Map()
  silent = []
  failures = 0
  swept = []
  asked = 0
  all = LIVING.map(sweeperOf)
})

it('what a dead node had spilled is swept once, where no job lives', async () => {
  know([])
  know(['d'])
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    know(['d'])
    await clock.advance(LOOK_MS_MAX)
  }
  expect(swept).toEqual(['d-1'])
  expect(clock.pendingCount).toBe(0)
})

it('of one that is back in its next epoch it is swept, though nobody has seen it dead', async () => {
  know([])
  const back = { ...row('d', 'ALIVE'), epoch: 2 }
  for (const sweeper of all)
    sweeper.nodes([...rows([]).filter((each) => each.nodeId !== 'd'), back])
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
})

it('SW1, F07: not while a job lives that was there at the death, wherever it lives', async () => {
  for (const home of LIVING) jobs.set(home, [`job of ${home}` as JobId])
  know(['d'])
  for (const home of LIVING) {
    await clock.advance(3 * LOOK_MS_MAX)
    expect(swept).toEqual([])
    jobs.set(home, ['a later job' as JobId])
  }
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
})

it('SW1: nor while a detached actor of such a job may start again, though it is on no node', async () => {
  const job = 'aaaa' as JobId
  jobs.set('a', [job])
  know(['d'])
  await clock.advance(0)
  await detachedActorOf(storage, job)
  jobs.clear()
  await clock.advance(3 * LOOK_MS_MAX)
  expect(swept).toEqual([])
  await endActorOf(storage, job)
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
})

it('SW1: not while a node does not say what lives on it', async () => {
  silent = ['b']
  know(['d'])
  await clock.advance(3 * LOOK_MS_MAX)
  expect(swept).toEqual([])
  silent = []
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
})

it('each dead node waits for the jobs of its own time', async () => {
  jobs.set('a', ['first' as JobId])
  know(['d'])
  await clock.advance(0)
  jobs.set('a', ['first' as JobId, 'second' as JobId])
  know(['d', 'e'])
  await clock.advance(0)
  jobs.set('a', ['second' as JobId])
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
  jobs.set('a', [])
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1', 'e-1'])
})

it('what the rows say of a job is read once in a look, however many lives have ended', async () => {
  const job = 'aaaa' as JobId
  await detachedActorOf(storage, job)
  const readsOf = async (epoch: number): Promise<number> => {
    all = LIVING.map(sweeperOf)
    jobs.set('a', [job])
    const living = LIVING.map((id) => row(id, 'ALIVE'))
    for (const each of all) each.nodes([...living, { ...row('d', 'DEAD'), epoch }])
    await clock.advance(0)
    jobs.clear()
    const reads = vi.spyOn(storage, 'query')
    await clock.advance(LOOK_MS_MIN)
    for (const each of all) await each.stop('THIS_NODE')
    return reads.mock.calls.length
  }
  const one = await readsOf(1)
  expect(one).toBeGreaterThan(0)
  vi.restoreAllMocks()
  expect(await readsOf(16)).toBeLessThanOrEqual(one * LIVING.length) // each node reads for itself
})

it('looks less and less often while a job goes on, and soon again at the next death', async () => {
  jobs.set('a', ['endless' as JobId])
  know(['d'])
  await clock.advance(3_600_000)
  expect(asked).toBeLessThan(70)
  asked = 0
  know(['d', 'e'])
  await clock.advance(30_000)
  expect(asked).toBeGreaterThanOrEqual(3)
})

it('F42: what could not be swept is, at the next look', async () => {
  failures = 1
  know(['d'])
  await clock.advance(0)
  expect(swept).toEqual([])
  await clock.advance(LOOK_MS_MAX)
  expect(swept).toEqual(['d-1'])
})

it('SW2, F42: what still waits is swept when the cluster ends, not when a node does', async () => {
  jobs.set('a', ['endless' as JobId])
  know(['d'])
  await clock.advance(0)
  for (const each of all) await each.stop('THIS_NODE')
  for (const each of all) await each.stop('EXPELLED')
  expect(swept).toEqual([])
  for (const each of all) await each.stop('BY_ANOTHER')
  expect(swept).toEqual(['d-1'])
})

it('SW2: who ends the cluster sweeps what others may not know of, but for who left', async () => {
  known = rows(['d', 'e'])
  await all[0]?.stop('BY_THIS_NODE')
  expect(swept).toEqual(['d-1'])
})

function know(dead: readonly string[]): void {
  for (const each of all) each.nodes(rows(dead))
}

function sweeperOf(nodeId: string): SpillSweeper {
  const sweep = async (owner: string): Promise<void> => {
    if (failures-- > 0) throw new GcsUnavailableError('injected')
    swept.push(owner)
  }
  const askEach = async (): Promise<unknown> => {
    asked += 1
    const others = LIVING.filter((id) => id !== nodeId)
    return { answers: others.map((id) => ({ jobIds: jobs.get(id) ?? [] })), silent }
  }
  return new SpillSweeper({
    ...{ nodeId, clock, storage, log: silentLog },
    member: {
      askEach,
      nodes: () => known,
      left: () => ['e'],
    } as unknown as SpillSweeperDeps['member'],
    liveJobs: () => jobs.get(nodeId) ?? [],
    store: () => ({ sweep }) as unknown as NodeStore,
  })
}
