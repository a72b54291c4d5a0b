// Names of actors over two nodes: real brains, and what they write into one GCS.
import { beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { ActorAlreadyExistsError } from '../../../runtime/common/errors.ts'
import { toHex, type ActorId, type NodeId, type WorkerId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { UsageError } from '../../../runtime/common/virga-error.ts'
import { declareDead, openMembership, registerNode } from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { ActorInfo } from '../../../runtime/protocol/messages.ts'
import { Brain } from '../../../runtime/raylet/brain.ts'
import { GcsWriter } from '../../../runtime/raylet/gcs-writer.ts'
import { createState } from '../../../runtime/raylet/state.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught } from '../../support/waiting.ts'
import { aDriversJob, anActor, units } from './brain.ts'

class TestNode {
  readonly id: string
  readonly #brain: Brain
  readonly #driver: WorkerId

  constructor(nodeId: string, epoch: number, storage: MemoryStorage) {
    this.id = toHex(nodeId)
    this.#driver = `driver of ${nodeId}` as WorkerId
    const totals = units({ CPU: 4 })
    const config = { nodeId: nodeId as NodeId, epoch, totals, labels: {}, cpuCount: 4 }
    const state = createState({ ...config, workersMax: 9, owned: false, isGcsHost: true })
    const deps = { storage, clock: systemClock, log: silentLog, nodeId: this.id }
    const writer = new GcsWriter(deps, (stimulus) => {
      this.#brain.tell(stimulus)
    })
    this.#brain = new Brain(state, systemClock, (effect) => {
      const { kind } = effect
      if (kind === 'claimName' || kind === 'releaseName' || kind === 'findName')
        writer.perform(effect)
    })
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

  async find(): Promise<ActorInfo | undefined> {
    const wanted = { name: 'c', namespace: 'default' }
    const found = this.#brain.ask((request) => ({ kind: 'findActor', request, ...wanted }))
    return (await found) as ActorInfo | undefined
  }

  async kill(actorId: string): Promise<void> {
    const noRestart = true
    await this.#brain.ask((request) => ({
      ...{ kind: 'killActor', request, noRestart },
      actorId: actorId as ActorId,
    }))
  }
}

describe('the name of an actor that lives on another node', () => {
  let storage: MemoryStorage
  let a: TestNode
  let b: TestNode

  async function aNode(nodeId: string): Promise<TestNode> {
    const { clusterEpoch } = await openMembership(storage, 'epoch')
    const spec = { nodeId: toHex(nodeId), address: `@${nodeId}`, pid: 1, totals: {}, labels: {} }
    const deps = { storage, clock: systemClock, random: seededRandom(1) }
    const { epoch } = await registerNode(deps, spec, { clusterEpoch, token: nodeId })
    return new TestNode(nodeId, epoch, storage)
  }

  beforeEach(async () => {
    storage = new MemoryStorage()
    a = await aNode('node a')
    b = await aNode('node b')
    await a.create('first')
  })

  test('AC2: is refused, and stays with that one', async () => {
    const refusal = await caught(b.create('second'), ActorAlreadyExistsError)
    expect(refusal.data).toMatchObject({ name: 'c', nodeId: a.id })
    expect(await a.find()).toMatchObject({ actorId: 'first' })
  })

  test('is found by nobody else, who hears where it lives', async () => {
    const refusals = [
      await caught(b.find(), UsageError),
      await caught(b.create('second', { getIfExists: true }), UsageError),
    ]
    for (const { message } of refusals) expect(message).toContain(`lives on node ${a.id}`)
  })

  test('is free once it is killed', async () => {
    await a.kill('first')
    expect(await b.create('second')).toMatchObject({ actorId: 'second' })
  })

  test('F07: is free once its node is dead', async () => {
    const deps = { storage, clock: systemClock, random: seededRandom(2) }
    await declareDead(deps, { nodeId: a.id, epoch: 1, heartbeat: 0, reason: 'a test' })
    expect(await b.find()).toBeUndefined()
    expect(await b.create('second')).toMatchObject({ actorId: 'second' })
    expect(await b.find()).toMatchObject({ actorId: 'second' })
  })
})
