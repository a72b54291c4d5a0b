// The process of a raylet that was started here: its end is noticed, whatever it wrote.
import { expect, test } from 'vitest'
import { systemRandom } from '../../../runtime/common/random-system.ts'
import { startRaylet } from '../../../sdk/cluster-process.ts'

test('the end of a raylet is noticed also when it has written more than that it is ready', async () => {
  const spec = { resources: {}, labels: {}, objectStoreMemoryBytes: undefined }
  const place = { owned: false, port: undefined }
  const { child, gone } = await startRaylet(spec, place, systemRandom)
  child.stdout?.emit('data', Buffer.from('a warning of its runtime\n'))
  child.kill('SIGINT')
  await gone
  expect(child.exitCode ?? child.signalCode).not.toBeNull()
})
