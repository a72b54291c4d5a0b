// The column `memcpy`: all that a put of a large array could ever cost. The row of several clients
// copies in a process per CPU at once.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { serveRow, type Workload } from '../contender.ts'
import {
  LARGE_BYTES,
  LARGE_GIGABYTES,
  LARGE_PUTS_PER_PUTTER,
  PUTTER_COUNT,
  PUTTERS_GIGABYTES,
} from '../sizes.ts'
import { openCopy } from './copy.ts'
import { wholeShares } from './shares.ts'

const one = (): Workload => ({ run: openCopy(LARGE_BYTES), unitsPerRun: LARGE_GIGABYTES })

async function several(): Promise<Workload> {
  const copiers = Array.from({ length: availableParallelism() }, () =>
    fork(join(import.meta.dirname, 'copier.ts')),
  )
  await Promise.all(copiers.map((copier) => once(copier, 'message')))
  const copyCounts = wholeShares(PUTTER_COUNT * LARGE_PUTS_PER_PUTTER, copiers.length)
  return {
    run: () =>
      Promise.all(
        copiers.map((copier, index) => {
          const done = once(copier, 'message')
          copier.send(copyCounts[index] ?? 0)
          return done
        }),
      ),
    unitsPerRun: PUTTERS_GIGABYTES,
    end: () => {
      for (const copier of copiers) copier.disconnect()
    },
  }
}

await serveRow({
  'single client put gigabytes': one,
  'multi client put gigabytes': several,
  'client: put gigabytes': one,
})
