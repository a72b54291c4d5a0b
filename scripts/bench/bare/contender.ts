// The column `bare`: what the rows of very many lists cost at least. Two threads share warm memory;
// one copies lists into it, the other makes lists of what it finds there as it comes. There are no
// tasks, refs or messages, and nothing is looked at.
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { serveRow, type Workload } from '../contender.ts'
import { ARGUMENT_COUNT, LIST_LENGTH, REF_COUNT, RETURN_COUNT } from '../sizes.ts'
import { ASKED, awaitTold, DONE, read, sharedLists, tell, WRITTEN, write } from './lists.ts'
import type { Work } from './worker.ts'

/** As much as a worker of Virga may have. */
const HEAP_MEGABYTES = 4096

function besideThread({ shared, ...work }: Work, run: () => void): Workload {
  const thread = new Worker(join(import.meta.dirname, 'worker.ts'), {
    workerData: { shared, ...work } satisfies Work,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
  })
  let round = 0
  return {
    run: () => {
      round += 1
      Atomics.store(shared.told, WRITTEN, 0)
      tell(shared.told, ASKED, round)
      run()
      awaitTold(shared.told, DONE, round)
    },
    end: () => thread.terminate(),
  }
}

function manyArguments(): Workload {
  const lists = Array.from({ length: ARGUMENT_COUNT }, () => new Array<number>(LIST_LENGTH).fill(1))
  const shared = sharedLists(ARGUMENT_COUNT, LIST_LENGTH, 1)
  const work = { shared, does: 'reads', listCount: ARGUMENT_COUNT, length: LIST_LENGTH } as const
  return besideThread(work, () => {
    write(lists, shared)
  })
}

function manyReturns(): Workload {
  const shared = sharedLists(RETURN_COUNT, LIST_LENGTH, 2)
  const work = { shared, does: 'writes', listCount: RETURN_COUNT, length: LIST_LENGTH } as const
  return besideThread(work, () => {
    read(RETURN_COUNT, shared)
  })
}

/** A driver's own objects: nobody else is asked. */
function manyRefs(): Workload {
  const list = Array.from({ length: LIST_LENGTH }, (_, i) => i)
  const lists = new Array<number[]>(REF_COUNT).fill(list)
  const shared = sharedLists(REF_COUNT, LIST_LENGTH, 2)
  return {
    run: () => {
      write(lists, shared)
      read(REF_COUNT, shared)
    },
  }
}

await serveRow({
  '10,000 arguments': manyArguments,
  '3,000 returns': manyReturns,
  '10,000-ref get': manyRefs,
})
