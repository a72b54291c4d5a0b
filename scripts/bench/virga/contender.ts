// The column `value`: Virga, used as its users use it. Each row does what the row of that name does
// in Ray's microbenchmark or single-node envelope.
// Source: Ray ray_perf.py; release/benchmarks/single_node/test_single_node.py.
import { get, init, type ObjectRef, placementGroup, put, shutdown, wait } from 'virga'
import { serveRow, type Workload } from '../contender.ts'
import { measureIdleCpu, measureWorkerRss } from '../processes.ts'
import {
  ARGUMENT_COUNT,
  BATCH,
  GROUP_COUNT,
  LARGE_BYTES,
  LARGE_GIGABYTES,
  LIST_LENGTH,
  QUEUED_COUNT,
  REF_COUNT,
} from '../sizes.ts'
import { initToFirstResult } from './first-result.ts'
import { Actor, countArguments, manyReturns, smallValue } from './tasks.ts'

const WORKER_PROGRAM = 'worker-main.js'

/** A row that runs in the cluster of this process. */
const inCluster =
  (make: () => Workload | Promise<Workload>, options: object = {}) =>
  async (): Promise<Workload> => {
    await init({ address: 'local', ...options })
    return make()
  }

const batch = <T>(submit: () => T): T[] => Array.from({ length: BATCH }, submit)

async function getSmall(): Promise<Workload> {
  const ref = await put(0)
  return { run: () => get(ref) }
}

function putGigabytes(): Workload {
  const array = new BigInt64Array(LARGE_BYTES / 8)
  return {
    // Ray's ref is counted down as soon as it is dropped; ours says so.
    run: async () => {
      const ref = await put(array)
      ref.free()
    },
    unitsPerRun: LARGE_GIGABYTES,
  }
}

async function getLarge(): Promise<Workload> {
  const ref = await put(new BigInt64Array(LARGE_BYTES / 8))
  return { run: () => get(ref) }
}

function waitBatch(): Workload {
  return {
    run: async () => {
      let pending: ObjectRef[] = batch(() => smallValue.remote())
      for (let i = 0; i < BATCH; i += 1) [, pending] = await wait(pending)
    },
  }
}

async function actorCalls(callsPerRun: number): Promise<Workload> {
  const actor = await Actor.create()
  const run =
    callsPerRun === 1
      ? () => get(actor.smallValue.remote())
      : () => get(batch(() => actor.smallValue.remote()))
  return { run, unitsPerRun: callsPerRun }
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

function manyArguments(): Workload {
  const list = new Array<number>(LIST_LENGTH).fill(1)
  const lists = new Array<number[]>(ARGUMENT_COUNT).fill(list)
  return { run: () => get(countArguments.remote(...lists)) }
}

function manyRefs(): Workload {
  const list = Array.from({ length: LIST_LENGTH }, (_, i) => i)
  return {
    run: async () => {
      const refs = await Promise.all(Array.from({ length: REF_COUNT }, () => put(list)))
      await get(refs)
      for (const ref of refs) ref.free()
    },
  }
}

function queuedTasks(): Workload {
  return {
    run: () => get(Array.from({ length: QUEUED_COUNT }, () => smallValue.remote())),
    unitsPerRun: QUEUED_COUNT,
  }
}

/** Bytes of the driver per task that is submitted, not yet pushed, and still held by its ref. */
function queuedBytes(): Workload {
  return {
    sample: async () => {
      const before = process.memoryUsage()
      const refs = Array.from({ length: QUEUED_COUNT }, () => smallValue.remote())
      const after = process.memoryUsage()
      await get(refs)
      const grown = after.heapUsed + after.external - before.heapUsed - before.external
      return grown / QUEUED_COUNT
    },
  }
}

await serveRow(
  {
    'single client get calls': inCluster(getSmall),
    'single client put calls': inCluster(() => ({ run: () => put(0) })),
    'single client put gigabytes': inCluster(putGigabytes),
    'single client get 800 MB': inCluster(getLarge),
    'single client wait 1k refs': inCluster(waitBatch),
    'single client tasks sync': inCluster(() => ({ run: () => get(smallValue.remote()) })),
    'single client tasks async': inCluster(() => ({
      run: () => get(batch(() => smallValue.remote())),
      unitsPerRun: BATCH,
    })),
    '1:1 actor calls sync': inCluster(() => actorCalls(1)),
    '1:1 actor calls async': inCluster(() => actorCalls(BATCH)),
    'placement group create/removal': inCluster(placementGroups, { resources: { custom: 100 } }),
    '10,000 arguments': inCluster(manyArguments),
    '3,000 returns': inCluster(() => ({ run: () => get(manyReturns.remote()) })),
    '10,000-ref get': inCluster(manyRefs),
    '1,000,000 queued tasks': inCluster(queuedTasks),
    'bytes per queued task': inCluster(queuedBytes),
    'init() to first result': () => ({ sample: initToFirstResult }),
    'idle CPU': inCluster(() => ({ sample: (seconds) => measureIdleCpu(process.pid, seconds) })),
    'idle worker RSS': inCluster(() => ({
      sample: () => measureWorkerRss(process.pid, WORKER_PROGRAM),
    })),
  },
  shutdown,
)
