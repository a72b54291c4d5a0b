// The rows of Ray's single-node envelope on Virga: very many arguments, returns, refs and queued
// tasks, and one very large object.
// Source: Ray release/benchmarks/single_node/test_single_node.py.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { setFlagsFromString } from 'node:v8'
import { get, put } from 'virga'
import { missing, type Workload, type Workloads } from '../contender.ts'
import { availableBytes } from '../processes.ts'
import { ARGUMENT_COUNT, HUGE_BYTES, LIST_LENGTH, QUEUED_COUNT, REF_COUNT } from '../sizes.ts'
import { inCluster } from './cluster.ts'
import { countArguments, manyReturns, smallValue } from './tasks.ts'

/** Room for the object, and for what the store keeps beside it. */
const HUGE_STORE_BYTES = 11e9
/** Refs are collected, then what they held on to. */
const COLLECTIONS = 5

function manyArguments(): Workload {
  const lists = Array.from({ length: ARGUMENT_COUNT }, () => new Array<number>(LIST_LENGTH).fill(1))
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

/**
 * A million tasks are submitted and got. `heap` and `rss` are bytes of the driver per task that is
 * submitted and still held by its ref, without the array that holds the refs; `kept` is what the
 * heap has more of, per task, when all are done and dropped.
 */
function queuedTasks(): Workload {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heapBytes = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const perTask = (bytes: number): number => bytes / QUEUED_COUNT
  return {
    sample: async () => {
      let refs = new Array<ReturnType<typeof smallValue.remote> | undefined>(QUEUED_COUNT)
      refs.fill(undefined)
      const heapBefore = heapBytes()
      const rssBefore = process.memoryUsage.rss()
      const startedAtMs = performance.now()
      for (let i = 0; i < QUEUED_COUNT; i += 1) refs[i] = smallValue.remote()
      const pausedAtMs = performance.now()
      const heap = perTask(heapBytes() - heapBefore)
      const rss = perTask(process.memoryUsage.rss() - rssBefore)
      const resumedAtMs = performance.now()
      await get(refs.filter((ref) => ref !== undefined))
      const elapsedMs = performance.now() - resumedAtMs + (pausedAtMs - startedAtMs)
      refs = []
      for (let i = 0; i < COLLECTIONS; i += 1) {
        collect()
        await nextTurn() // what a collection found is given back in a later turn
      }
      // The array was there before the tasks; its room is not theirs.
      const kept = perTask(heapBytes() - (heapBefore - QUEUED_COUNT * 8))
      return { value: (QUEUED_COUNT * 1000) / elapsedMs, heap, rss, kept }
    },
  }
}

async function hugeObject(): Promise<Workload> {
  if (availableBytes() < 2 * HUGE_STORE_BYTES) {
    return missing(`an object of 10 GB needs ${(2 * HUGE_STORE_BYTES) / 1e9} GB of free memory`)
  }
  return inCluster(
    () => ({
      run: async () => {
        const ref = await put(new Uint8Array(HUGE_BYTES))
        const read = await get(ref)
        if (read[0] !== 0 || read.at(-1) !== 0) throw new Error('the object came back changed')
        ref.free()
      },
    }),
    { objectStoreMemoryBytes: HUGE_STORE_BYTES },
  )()
}

export const envelope: Workloads = {
  '10,000 arguments': inCluster(manyArguments),
  '3,000 returns': inCluster(() => ({ run: () => get(manyReturns.remote()) })),
  '10,000-ref get': inCluster(manyRefs),
  '1,000,000 queued tasks': inCluster(queuedTasks),
  '10 GB object': hugeObject,
}
