// What a process knows of a detached actor, which has no owner who counts its handles, goes with
// the last handle there: programs that look up actor after actor do not grow.
import { expect, it, vi } from 'vitest'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { until } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

it('a handle that is looked up again after it was collected works, and is watched anew', async () => {
  const cluster = await MemoryCluster.start()
  const request = vi.spyOn(cluster.driver.deps.raylet, 'request')
  const watchedCount = (): number =>
    request.mock.calls.filter(([type]) => type === 'watchActor').length
  const echoOnce = async (text: string): Promise<void> => {
    const handle = await fn.RemoteEcho.get('kept')
    expect(await handle.echo.run(text)).toBe(text)
  }
  try {
    await cluster.run(async () => {
      await fn.RemoteEcho.options({ lifetime: 'detached', name: 'kept' }).create()
      const before = watchedCount()
      await echoOnce('first')
      await echoOnce('second')
      expect(watchedCount(), 'handles that live share what is known').toBeLessThanOrEqual(
        before + 1,
      )
      await until(async () => {
        systemFinalization.collect()
        await echoOnce('again')
        return watchedCount() >= before + 2
      })
    })
  } finally {
    await cluster.stop()
  }
})
