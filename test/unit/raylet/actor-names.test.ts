// Names of actors over two nodes: real brains, and what they write into one GCS.
import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import {
  ActorAlreadyExistsError,
  ActorDiedError,
  ActorNotFoundError,
  GcsUnavailableError,
} from '../../../runtime/common/errors.ts'
import { toHex, type ActorId, type NodeId, type WorkerId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { actorAlive, readActor } from '../../../runtime/gcs/actors.ts'
import { declareDead, openMembership, registerNode } from '../../../runtime/gcs/nodes.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { heldPartition } from '../../../runtime/gcs/tables.ts'
import type { ActorInfo } from '../../../runtime/protocol/actor-messages.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { ActorRows } from '../../../runtime/raylet/actors/actor-rows.ts'
import type { GoneActor } from '../../../runtime/raylet/actors/actor-events.ts'
import { goneActor } from '../../../runtime/raylet/actors/gone-actors.ts'
import { Brain } from '../../../runtime/raylet/brain.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught, until } from '../../support/waiting.ts'
import { aDriversJob, anActor, units } from './brain.ts'

class TestNode {
  readonly id: string
  /** Nodes that died while this one was a member. */
  readonly met = new Set<string>()
  /** Of those, or others that died, what another node says that lives. */
  haveOthersMet = (_nodeId: string): Promise<boolean> => Promise.resolve(false)
  /** Who had a name last, by what another node knows, and how often that was asked. */
  goneElsewhere:
    | ((wanted: { name: string; namespace: string }) => GoneActor | undefined)
    | undefined
  goneAsked = 0
  readonly #brain: Brain
  readonly #state: RayletState
  readonly #driver: WorkerId

  constructor(nodeId: string, epoch: number, storage: Storage) {
    this.id = toHex(nodeId)
    this.#driver = `driver of ${nodeId}` as WorkerId
    const totals = units({ CPU: 4 })
    const config = { nodeId: nodeId as NodeId, epoch, totals, labels: {}, cpuCount: 4 }
    const view = new ClusterView([], this.id)
    this.#state = createState(
      { ...config, workersMax: 9, owned: false, isGcsHost: true },
      { view, random: seededRandom(1), shunned: new Map() },
    )
    const rows = new ActorRows({
      ...{ storage, clock: systemClock, log: silentLog, codec: new ValueCodec() },
      self: { nodeId: this.id, epoch },
      hasMet: (holder) => this.met.has(holder.nodeId),
      haveOthersMet: (holder) => this.haveOthersMet(holder.nodeId),
      goneElsewhere: (wanted) => {
        this.goneAsked += 1
        return Promise.resolve(this.goneElsewhere?.(wanted))
      },
      tell: (stimulus) => {
        this.#brain.tell(stimulus)
      },
    })
    this.#brain = new Brain(this.#state, systemClock, (effect) => {
      const { kind } = effect
      if (kind === 'registerActor' || kind === 'writeActor' || kind === 'findActor')
        rows.perform(effect)
    })
    this.#brain.tell({ kind: 'confirmed', untilMs: Infinity })
    const job = aDriversJob(`job of ${nodeId}`)
    const driver = { client: this.#driver, role: 'driver', pid: 1, address: '@d', job } as const
    this.#brain.tell({ kind: 'clientConnected', ...driver })
  }

  async create(actorId: string, options: { getIfExists?: boolean } = {}): Promise<ActorInfo> {
    const { jobId } = aDriversJob(this.#driver.replace('driver', 'job'))
    const owner = { owner: this.#driver, jobId }
    const spec = anActor({ actorId: actorId as ActorId, name: 'c', ...owner, ...options })
    const client = this.#driver
    const made = this.#brain.ask((request) => ({ kind: 'createActor', client, request, spec }))
    return (await made) as ActorInfo
  }

  async find(name = 'c'): Promise<ActorInfo | undefined> {
    const wanted = { name, namespace: 'default' }
    const found = this.#brain.ask((request) => ({ kind: 'findActor', request, ...wanted }))
    return (await found) as ActorInfo | undefined
  }

  gone(wanted: { name: string; namespace: string }): GoneActor | undefined {
    return goneActor(this.#state, wanted, systemClock.monotonicMs())
  }

  async kill(actorId: string): Promise<void> {
    const noRestart = true
    await this.#brain.ask((request) => ({
      ...{ kind: 'killActor', request, noRestart },
      actorId: actorId as ActorId,
    }))
  }
}

describe('the name of an actor that was made on another node', () => {
  let storage: MemoryStorage
  let a: TestNode
  let b: TestNode

  async function aNode(nodeId: string, through: Storage = storage): Promise<TestNode> {
    const opened = await openMembership(storage, 'epoch')
    const spec = { nodeId: toHex(nodeId), address: `@${nodeId}`, pid: 1, totals: {}, labels: {} }
    const deps = { storage, clock: systemClock, random: seededRandom(1) }
    const { epoch } = await registerNode(deps, spec, { ...opened, token: nodeId })
    return new TestNode(nodeId, epoch, through)
  }

  beforeEach(async () => {
    storage = new MemoryStorage()
    a = await aNode('node a')
    b = await aNode('node b')
    await a.create('first')
  })

  const killNodeA = async (): Promise<void> => {
    const deps = { storage, clock: systemClock, random: seededRandom(2) }
    await declareDead(deps, { nodeId: a.id, epoch: 1, heartbeat: 0, reason: 'a test' })
  }

  test('AC2: is refused, and stays with that one', async () => {
    const refusal = await caught(b.create('second'), ActorAlreadyExistsError)
    expect(refusal.data).toMatchObject({ name: 'c', nodeId: a.id })
    expect(await a.find()).toMatchObject({ actorId: 'first' })
  })

  test('leaves no row of an actor that was not made, refused or found instead', async () => {
    await caught(b.create('second'), ActorAlreadyExistsError)
    await b.create('third', { getIfExists: true })
    const held = (): Promise<readonly unknown[]> =>
      storage.query('cluster', heldPartition({ nodeId: b.id, epoch: 1 }))
    await until(async () => (await held()).length === 0)
  })

  test('is found by everybody, also by who would make it', async () => {
    expect(await b.find()).toMatchObject({ actorId: 'first', className: 'Counter' })
    expect(await b.create('second', { getIfExists: true })).toMatchObject({ actorId: 'first' })
  })

  test('is free once it is killed', async () => {
    await a.kill('first')
    expect(await b.create('second')).toMatchObject({ actorId: 'second' })
  })

  test.each(['made', 'killed'])(
    'A2: is free once any kill() ends, also one that comes while it is being %s',
    async (moment) => {
      let gate = Promise.withResolvers<undefined>()
      let isOpen = false
      const transact: Storage['transact'] = async (items) => {
        await gate.promise
        return await storage.transact(items)
      }
      const node = await aNode('node c', changedStorage(storage, { transact }))
      await a.kill('first')
      const making = node.create('second')
      if (moment === 'made') void caught(making, ActorDiedError)
      else {
        gate.resolve(undefined)
        await making
        gate = Promise.withResolvers()
      }
      const kill = async (): Promise<boolean> => {
        await node.kill('second')
        return isOpen
      }
      const kills = [kill(), kill(), kill()]
      await node.find('another') // what is answered at once is answered by now
      isOpen = true
      gate.resolve(undefined)
      await Promise.any(kills)
      expect(await b.create('third')).toMatchObject({ actorId: 'third' })
      expect(await Promise.all(kills)).toEqual([true, true, true])
      await kill() // it is long dead
    },
  )

  test('is of nobody once it is killed: who asks for it is told why, on any node', async () => {
    await a.kill('first')
    const here = await caught(a.find(), ActorNotFoundError)
    expect(here.message).toContain("no living actor is named 'c' in namespace 'default': Counter ")
    expect(here.message).toContain('which had that name, is dead since 0 s: actor Counter is dead')
    b.goneElsewhere = (wanted) => a.gone(wanted)
    const there = await caught(b.find(), ActorNotFoundError)
    expect(there.data).toMatchObject({ name: 'c', className: 'Counter', actorId: toHex('first') })
    expect(await b.find()).toBeUndefined() // asked again at once: the others are spared
    expect(b.goneAsked).toBe(1)
    await b.find('another') // of which each name is asked for by itself
    expect(b.goneAsked).toBe(2)
  })

  test('the refusal names the node where the actor lives, not the one that made it', async () => {
    const life = { actorId: toHex('first'), incarnation: 0, nodeId: a.id, epoch: 1 }
    await actorAlive(storage, life, '@c', { nodeId: 'cc', epoch: 7 })
    b.met.add('cc')
    const refusal = await caught(b.create('second'), ActorAlreadyExistsError)
    expect(refusal.data).toMatchObject({ name: 'c', nodeId: 'cc' })
  })

  test('AW3: is in the way while its node is dead and it may be started again', async () => {
    await killNodeA()
    b.met.add(a.id)
    await caught(b.create('second'), ActorAlreadyExistsError)
    expect(await b.find()).toMatchObject({ actorId: 'first' })
  })

  test('F07, AW3: is in the way while a node that had met its node may start it again', async () => {
    await killNodeA()
    let asked = 0
    b.haveOthersMet = (nodeId) => {
      expect(nodeId).toBe(a.id)
      asked += 1
      return asked > 1 ? Promise.resolve(true) : Promise.reject(new GcsUnavailableError('silent'))
    }
    expect(await b.find()).toMatchObject({ actorId: 'first' })
    expect(asked).toBe(2) // who does not say whether it has is asked again
    await caught(b.create('second'), ActorAlreadyExistsError)
    expect(await readActor(storage, toHex('first'))).toMatchObject({ state: 'PENDING_CREATION' })
  })

  test('F07, AW3: is free when its node was dead before this one joined', async () => {
    await killNodeA()
    expect(await b.find()).toBeUndefined()
    expect(await b.create('second')).toMatchObject({ actorId: 'second' })
    expect(await b.find()).toMatchObject({ actorId: 'second' })
    expect(await readActor(storage, toHex('first'))).toMatchObject({ state: 'DEAD' })
  })
})
