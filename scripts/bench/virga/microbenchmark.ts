// The rows of Ray's microbenchmark on Virga, one driver's: objects, tasks, placement groups.
// Source: Ray ray_perf.py.
import { get, type ObjectRef, placementGroup, put, wait } from 'virga'
import type { Workload, Workloads } from '../contender.ts'
import {
  BATCH,
  CLIENT_COUNT,
  CLIENT_TASK_COUNT,
  FILLED_WITH,
  GROUP_COUNT,
  LARGE_BYTES,
  LARGE_GIGABYTES,
  PUTS_PER_PUTTER,
  PUTTER_COUNT,
  PUTTERS_GIGABYTES,
} from '../sizes.ts'
import { asClient, batch, inCluster } from './cluster.ts'
import { Actor, createObjectContainingRefs, putLarge, putSmall, smallValue } from './tasks.ts'

async function getSmall(): Promise<Workload> {
  const ref = await put(0)
  return { run: () => get(ref) }
}

const putSmallOne = (): Workload => ({ run: () => put(0) })

const largeArray = (sizeBytes: number = LARGE_BYTES): BigInt64Array =>
  new BigInt64Array(sizeBytes / 8).fill(FILLED_WITH)

function putGigabytes(): Workload {
  const array = largeArray()
  return {
    // Ray's ref is counted down as soon as it is dropped; ours says so.
    run: async () => {
      const ref = await put(array)
      ref.free()
    },
    unitsPerRun: LARGE_GIGABYTES,
  }
}

const getLarge = (sizeBytes: number) => async (): Promise<Workload> => {
  const ref = await put(largeArray(sizeBytes))
  return { run: () => get(ref) }
}

const putters = (submit: () => ObjectRef, unitsPerRun: number): Workload => ({
  run: () => get(Array.from({ length: PUTTER_COUNT }, submit)),
  unitsPerRun,
})
const puttersOfSmall = (): Workload =>
  putters(() => putSmall.remote(), PUTTER_COUNT * PUTS_PER_PUTTER)

async function getRefs(): Promise<Workload> {
  const ref = createObjectContainingRefs.remote()
  await wait([ref])
  return { run: () => get(ref) }
}

const taskBatch = (unitsPerRun: number) => (): Workload => ({
  run: () => get(batch(() => smallValue.remote())),
  unitsPerRun,
})

function waitBatch(): Workload {
  return {
    run: async () => {
      let pending: ObjectRef[] = batch(() => smallValue.remote())
      for (let i = 0; i < BATCH; i += 1) [, pending] = await wait(pending)
    },
  }
}

function clientsOfTasks(): Workload {
  const actors = Array.from({ length: CLIENT_COUNT }, () => Actor.remote())
  return {
    run: () => get(actors.map((actor) => actor.smallValueBatch.remote(CLIENT_TASK_COUNT))),
    unitsPerRun: CLIENT_COUNT * CLIENT_TASK_COUNT,
  }
}

function placementGroups(): Workload {
  return {
    run: async () => {
      const groups = Array.from({ length: GROUP_COUNT }, () => placementGroup([{ custom: 0.001 }]))
      await Promise.all(groups.map((group) => group.wait(30_000)))
      await Promise.all(groups.map((group) => group.remove()))
    },
    unitsPerRun: GROUP_COUNT,
  }
}

export const microbenchmark: Workloads = {
  'single client get calls': inCluster(getSmall),
  'single client put calls': inCluster(putSmallOne),
  'multi client put calls': inCluster(puttersOfSmall),
  'single client put gigabytes': inCluster(putGigabytes),
  'multi client put gigabytes': inCluster(() =>
    putters(() => putLarge.remote(), PUTTERS_GIGABYTES),
  ),
  'single client get 8 MB': inCluster(getLarge(LARGE_BYTES / 100)),
  'single client get 80 MB': inCluster(getLarge(LARGE_BYTES / 10)),
  'single client get 800 MB': inCluster(getLarge(LARGE_BYTES)),
  'single client tasks and get batch': inCluster(taskBatch(1)),
  'single client get object containing 10k refs': inCluster(getRefs),
  'single client wait 1k refs': inCluster(waitBatch),
  'single client tasks sync': inCluster(() => ({ run: () => get(smallValue.remote()) })),
  'single client tasks async': inCluster(taskBatch(BATCH)),
  'multi client tasks async': inCluster(clientsOfTasks),
  'placement group create/removal': inCluster(placementGroups, { resources: { custom: 100 } }),
  'client: get calls': asClient(getSmall),
  'client: put calls': asClient(putSmallOne),
  'client: put gigabytes': asClient(putGigabytes),
  'client: tasks and put batch': asClient(puttersOfSmall),
  'client: tasks and get batch': asClient(taskBatch(1)),
}
