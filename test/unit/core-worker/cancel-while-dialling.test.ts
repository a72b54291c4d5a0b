// A task is cancelled at every turn of its way to a worker that is not connected yet. Found by the
// soak: between the push and the end of the dial its arguments were gone, and the driver with them.
import { expect, it } from 'vitest'
import { TaskCancelledError } from '../../../runtime/common/errors.ts'
import { cancel, get } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import * as fn from './ref-functions.ts'

const TURNS_MAX = 40

it('a task cancelled at any turn before its worker answers says so, and the next one runs', async () => {
  let toldCount = 0
  for (let turns = 0; turns < TURNS_MAX; turns += 1) {
    const cluster = await MemoryCluster.start({ dialTurns: 5 })
    try {
      await cluster.run(async () => {
        const ref = fn.echo.remote('cancelled')
        for (let i = 0; i < turns; i += 1) await new Promise(setImmediate)
        const [value] = await Promise.allSettled([get(ref), cancel(ref)])
        if (value.status === 'rejected') {
          expect(value.reason).toBeInstanceOf(TaskCancelledError)
          toldCount += 1
        }
        expect(await fn.echo.run('next'), `after ${turns} turns`).toBe('next')
      })
    } finally {
      await cluster.stop()
    }
  }
  expect(toldCount).toBeGreaterThan(5) // at least while it was dialled
})
