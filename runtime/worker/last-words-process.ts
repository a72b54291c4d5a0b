// A worker's last words: the most memory it ever had. Its raylet looks at it now and then only, so
// it would know little of one that lived for milliseconds. Who is killed has no last words.
import { writeSync } from 'node:fs'
import { peakMark } from '../common/output-mark.ts'

const KIB = 1024
const STDERR_FD = 2

export function tellPeakMemoryAtExit(): void {
  process.on('exit', () => {
    try {
      writeSync(STDERR_FD, peakMark(process.resourceUsage().maxRSS * KIB))
    } catch {
      // The raylet is gone or reads no more: nobody is left to tell.
    }
  })
}
