// The process of a raylet that was started here: its end is noticed, whatever it wrote.
import { expect, test, vi } from 'vitest'
import { systemRandom } from '../../../runtime/common/random-system.ts'
import { spillTarget, startRaylet } from '../../../sdk/cluster-process.ts'

test('the end of a raylet is noticed also when it has written more than that it is ready', async () => {
  const spec = { resources: {}, labels: {}, objectStoreMemoryBytes: undefined }
  const place = { owned: false, port: undefined }
  const { child, gone } = await startRaylet(spec, place, systemRandom)
  child.stdout?.emit('data', Buffer.from('a warning of its runtime\n'))
  child.kill('SIGINT')
  await gone
  expect(child.exitCode ?? child.signalCode).not.toBeNull()
})

test('the bucket of a cluster is where its GCS is, unless the environment says otherwise', () => {
  const url = 'http://127.0.0.1:4566'
  vi.stubEnv('VIRGA_SPILL', 's3://bucket/prefix')
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  expect(spillTarget(url)?.endpoint).toBe(url)
  for (const gcs of ['AWS', 'HERE', '10.0.0.1:7000/ab/1', undefined]) {
    expect(spillTarget(gcs)?.endpoint).toBeUndefined()
  }
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9000')
  expect(spillTarget(url)?.endpoint).toBe('http://127.0.0.1:9000')
  vi.unstubAllEnvs()
})
