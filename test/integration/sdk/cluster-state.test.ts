// What a program can see of its cluster, and what it is told of clusters that it cannot reach.
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  JobClient,
  UsageError,
  availableResources,
  clusterResources,
  get,
  init,
  nodeAffinity,
  nodes,
  runtimeContext,
  shutdown,
  type Cluster,
} from 'virga'
import { resources, span } from './tasks.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await init({
    address: 'local',
    numCpus: 2,
    numGpus: 1,
    memoryBytes: 2 ** 30,
    resources: { slot: 1.5 },
    labels: { zone: 'a' },
  })
})
afterAll(shutdown)

test('nodes() shows the one node of this machine', async () => {
  const all = await nodes()
  expect(all).toHaveLength(1)
  expect(all[0]).toMatchObject({
    nodeId: runtimeContext().nodeId,
    address: cluster.address,
    alive: true,
    suspected: false,
    state: 'ALIVE',
    isGcsHost: true,
    resources: { CPU: 2, GPU: 1, memory: 2 ** 30, slot: 1.5 },
    labels: { zone: 'a', 'virga.io/node-id': runtimeContext().nodeId },
  })
  expect(all[0]?.pid).not.toBe(process.pid)
  expect(() => process.kill(all[0]?.pid ?? 0, 0)).not.toThrow()
  expect(all[0]?.epoch).toBeGreaterThan(0)
})

test('a node id of nodes() is one to run at', async () => {
  const [node] = await nodes()
  const there = nodeAffinity(node?.nodeId ?? '')
  expect(await resources.options({ schedulingStrategy: there }).run()).toEqual({ CPU: 1 })
})

test('availableResources() is what clusterResources() has less what runs', async () => {
  expect(await clusterResources()).toEqual({ CPU: 2, GPU: 1, memory: 2 ** 30, slot: 1.5 })
  const ref = span.options({ numCpus: 0, resources: { slot: 1 } }).remote(0, 2000)
  await expect.poll(async () => (await availableResources())['slot']).toBe(0.5)
  await get(ref)
  await expect.poll(async () => (await availableResources())['slot']).toBe(1.5)
})

test('JobClient refuses options that it does not have', () => {
  expect(() => new JobClient({ clustre: 'prod' } as object)).toThrow(/Did you mean cluster\?/)
  expect(() => new JobClient({ cluster: '' })).toThrow(UsageError)
})

test('every call of JobClient says that jobs need a deployed cluster', async () => {
  const client = new JobClient({ cluster: 'prod', region: 'eu-central-1' })
  const calls = [
    client.submit({ entry: 'app.ts' }),
    client.status('id'),
    client.logs('id'),
    client.follow('id').next(),
    client.wait('id'),
    client.stop('id'),
    client.list(),
    client.delete('id'),
  ]
  for (const call of calls) {
    const error = await call.then(String, (reason: unknown) => reason)
    expect(error).toBeInstanceOf(UsageError)
    expect((error as Error).message).toMatch(/deployed cluster 'prod'/)
  }
})
