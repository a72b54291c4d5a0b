// Where a raylet looks for an actor that has no row: its maker may make it yet.
import { describe, expect, test } from 'vitest'
import { toHex, type ActorId } from '../../../runtime/common/ids.ts'
import { registerActor } from '../../../runtime/gcs/actors.ts'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { ActorView } from '../../../runtime/protocol/actor-messages.ts'
import {
  ClusterActors,
  type ClusterActorsDeps,
} from '../../../runtime/raylet/actors/cluster-actors.ts'
import type { Stimulus } from '../../../runtime/raylet/client-link.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { seededRandom } from '../../support/seeded.ts'
import { Brain, hexNodeId } from './brain.ts'

const A = 'actorA' as ActorId
const HOME = '0b'
const HOST = '0d'
const UNMADE: ActorView = {
  ...{ actorId: A, phase: 'DEPENDENCIES_UNREADY', incarnation: 0 },
  ...{ address: '', workerId: undefined },
}

interface Asked {
  readonly isUnmade: boolean
}

/** What a process here is told of an actor whose handle names that life of `homeId`. */
async function lookFor(
  home: { homeId: string; homeEpoch?: number },
  answer: (storage: MemoryStorage, asked: Asked) => Promise<ActorView> = async () => UNMADE,
): Promise<{ readonly asked: readonly string[]; readonly view: ActorView }> {
  const view = new ClusterView([], hexNodeId())
  const cluster = { view, random: seededRandom(1), shunned: new Map<string, number>() }
  const { state } = new Brain({ cluster })
  const unknown = { nodeId: undefined, view: undefined, hostId: undefined, requests: [] }
  state.cluster?.actors.watched.set(A, { ...unknown, ...home })
  const asked: string[] = []
  const told: Stimulus[] = []
  const nodes = [HOME, HOST].map((nodeId) => ({ nodeId, state: 'ALIVE', epoch: 2 }) as NodeRow)
  const storage = new MemoryStorage()
  const ask = (nodeId: string, _: string, message: Asked): Promise<ActorView> => {
    asked.push(nodeId)
    return answer(storage, message)
  }
  const clock = new HandClock()
  const actors = new ClusterActors({
    ...{ state, clock, storage },
    ...{
      member: { nodes: () => nodes, ask },
      brain: { tell: (each: Stimulus) => told.push(each) },
    },
  } as unknown as ClusterActorsDeps)
  actors.perform({ kind: 'locateActor', actorId: A, homeEpoch: undefined, ...home })
  for (let i = 0; i < 3; i += 1) await clock.advance(1_000)
  expect(told).toMatchObject([{ kind: 'actorLocated', actorId: A }])
  return { asked, view: (told[0] as Stimulus & { readonly view: ActorView }).view }
}

describe('an actor without a row', () => {
  test('may be made yet in that life of its maker’s node, which is asked', async () => {
    const { asked, view } = await lookFor({ homeId: HOME, homeEpoch: 2 })
    expect(asked).toEqual([HOME])
    expect(view.phase).toBe('DEPENDENCIES_UNREADY')
  })

  test('is asked for also where the next life is not known here yet, or no life is named', async () => {
    expect((await lookFor({ homeId: HOME, homeEpoch: 3 })).asked).toEqual([HOME])
    expect((await lookFor({ homeId: HOME })).asked).toEqual([HOME])
  })

  test('that is made, and moves on, before its maker’s node is asked is asked for where it is', async () => {
    const made = {
      ...{ actorId: toHex(A), owner: 'o', name: null, detached: true, maxRestarts: 0 },
      ...{ spec: new Uint8Array(), nodeId: HOST, epoch: 2 },
    }
    const { asked, view } = await lookFor({ homeId: HOME }, async (storage, { isUnmade }) => {
      if (!isUnmade) return { ...UNMADE, phase: 'ALIVE' }
      await registerActor(storage, made, 0)
      return UNMADE
    })
    expect(asked).toEqual([HOME, HOST])
    expect(view.phase).toBe('ALIVE')
  })

  test.each([HOME, '0c'])('may be made by a retry where that life is over (%s)', async (homeId) => {
    const { asked, view } = await lookFor({ homeId, homeEpoch: 1 })
    expect(asked).toEqual([])
    expect(view).toEqual(UNMADE)
  })

  test('is dead where its handle names no maker, and the node of that is gone', async () => {
    const { asked, view } = await lookFor({ homeId: '0c' })
    expect(asked).toEqual([])
    expect(view).toMatchObject({ phase: 'DEAD', error: { code: 'ERR_ACTOR_DIED' } })
    expect(view.error?.message).toContain('the node 0c of its creator is dead')
  })
})
