// The column `piscina`: the best-known pool of worker threads, with its defaults and a thread per
// CPU. It has no actors, refs or shared objects, so it takes part in the rows of plain tasks.
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Piscina } from 'piscina'
import { serveRow, type Workload } from '../contender.ts'
import { BATCH } from '../sizes.ts'

function tasks(batch: number): Workload {
  const pool = new Piscina<[], string>({
    filename: join(import.meta.dirname, 'worker.js'),
    name: 'smallValue',
    minThreads: availableParallelism(),
    maxThreads: availableParallelism(),
  })
  const call = (): Promise<string> => pool.run([])
  return {
    run: batch === 1 ? call : () => Promise.all(Array.from({ length: batch }, call)),
    unitsPerRun: batch,
    end: () => pool.destroy(),
  }
}

await serveRow({
  'single client tasks sync': () => tasks(1),
  'single client tasks async': () => tasks(BATCH),
})
