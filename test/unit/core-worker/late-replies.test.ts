// Replies that come when their owner has given the attempt up.
import { expect, it } from 'vitest'
import type { CoreWorker } from '../../../runtime/core-worker/core-worker.ts'
import type { Peer } from '../../../runtime/core-worker/peers.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { until } from '../../support/waiting.ts'
import { gates, putLater } from './ref-functions.ts'

it('the refs in a result that nobody waits for any more are taken over, or its worker held them until it ends (B1)', async () => {
  const cluster = await MemoryCluster.start()
  const gate = Promise.withResolvers<void>()
  gates.set('late', gate.promise)
  try {
    await cluster.run(async () => {
      putLater.remote('late')
      await until(() => busyOf(cluster) !== undefined)
      const { worker, peer } = busyOf(cluster) as Busy
      // As when the last words of a dead actor have not come, and its process goes on.
      expect(peer.takeInFlight()).toHaveLength(1)
      gate.resolve()
      await until(() => worker.execution?.executor.runningCount === 0)
      await until(() => !worker.handoffs.isOpen)
    })
  } finally {
    await cluster.stop()
  }
})

interface Busy {
  readonly worker: CoreWorker
  /** As the driver has it. */
  readonly peer: Peer
}

function busyOf({ workers, driver }: MemoryCluster): Busy | undefined {
  for (const { worker } of workers.values()) {
    const peer = driver.peers.dial(worker.options.address)
    const runs = worker.execution?.executor.runningCount === 1
    if (runs && peer.inFlight.size === 1) return { worker, peer }
  }
  return undefined
}
