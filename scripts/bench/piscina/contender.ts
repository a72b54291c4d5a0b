// The column `piscina`: the best-known pool of worker threads, with its defaults and a thread per
// CPU. It has no actors, refs or shared objects, so it takes part in the rows of plain tasks.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Piscina } from 'piscina'
import { serveRow, type Workload } from '../contender.ts'
import { latency, latencyBehindOthers, timed } from '../latency.ts'
import { BATCH } from '../sizes.ts'

interface Pool {
  readonly call: () => Promise<string>
  readonly end: () => Promise<void>
}

function open(): Pool {
  const pool = new Piscina<[], string>({
    filename: join(import.meta.dirname, 'worker.js'),
    name: 'smallValue',
    minThreads: availableParallelism(),
    maxThreads: availableParallelism(),
  })
  return { call: () => pool.run([]), end: () => pool.destroy() }
}

function lone(): Workload {
  const { call, end } = open()
  return latency(() => timed(call), end)
}

function behindOthers(): Workload {
  const { call, end } = open()
  return latencyBehindOthers(call, { end })
}

const batched =
  (unitsPerRun = BATCH) =>
  (): Workload => {
    const { call, end } = open()
    return { run: () => Promise.all(Array.from({ length: BATCH }, call)), unitsPerRun, end }
  }

await serveRow({
  'single client tasks and get batch': batched(1),
  'single client tasks sync': () => {
    const { call, end } = open()
    return { run: call, end }
  },
  'single client tasks async': batched(),
  'latency of a task': lone,
  'latency of a task behind 100': behindOthers,
})
