// What a worker's process left behind, in words for error messages.
import { megabytes } from '../common/memory-use.ts'
import type { WorkerExit } from './messages.ts'

/** `peak memory 80 MB; last lines of stderr:\n…`; what is not known is left out, so it may be ''. */
export function describeRemains({ peakRssBytes, stderrTail }: RemainsOf): string {
  const peak = peakRssBytes === 0 ? [] : [`peak memory ${megabytes(peakRssBytes)}`]
  const tail = stderrTail.length === 0 ? [] : [`last lines of stderr:\n${stderrTail.join('\n')}`]
  return [...peak, ...tail].join('; ')
}

type RemainsOf = Pick<WorkerExit, 'peakRssBytes' | 'stderrTail'>
