// Objects that the store has no room for go to S3, where VIRGA_SPILL says so, and come back byte
// for byte; over real processes and the real SDK, against an emulator.
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { UsageError, get, init, put, shutdown, type ObjectRef } from 'virga'
import { loadBucket } from '../../../runtime/gcs/bucket-loader.ts'
import { S3Bucket } from '../../../runtime/gcs/bucket-s3.ts'
import { RETRY_TOKENS_MAX } from '../../../runtime/gcs/retry-budget.ts'
import { storeStats } from '../../support/cluster-view.ts'
import { ATTEMPTS, clientDeps } from '../../support/dynamo-storage.ts'
import { BUCKET, REGION, describeOn, startCloud } from '../../support/emulator.ts'
import { COMPLETE, startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { caught, until } from '../../support/waiting.ts'

const WRITES = ['PUT', 'POST', COMPLETE]
const MIB = 1024 * 1024
const OBJECTS = 24
const FLOATS = MIB // 8 MiB each: three times the store in all
const STORE_OBJECTS = 8
/** Well below the 30 s after which a full store is an error. */
const THROTTLED_MS = 5_000

const cloud = await startCloud()
describeOn(cloud, 'VIRGA_SPILL', (cloud) => {
  const { endpoint } = cloud
  const env = { ...process.env }
  let runs = 0
  let prefix = ''
  let proxy: FaultProxy | undefined
  beforeEach(() => {
    prefix = `run${String(runs++)}/`
    process.env['AWS_ENDPOINT_URL'] = endpoint
  })
  afterEach(async () => {
    await shutdown()
    await proxy?.stop()
    proxy = undefined
    process.env = { ...env }
  })
  afterAll(() => cloud.stop())

  const keys = async (): Promise<number> => {
    const bucket = new S3Bucket(clientDeps(), { bucket: BUCKET, prefix, endpoint, region: REGION })
    const objects = await bucket.list('', { limit: 1000 })
    return objects.length + (await bucket.listUploads('')).length
  }

  const start = () =>
    init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: STORE_OBJECTS * 8 * MIB })

  /** @param putOne  told after each. */
  async function fill(putOne?: () => void): Promise<ObjectRef<Float64Array>[]> {
    const refs: ObjectRef<Float64Array>[] = []
    for (let i = 0; i < OBJECTS; i++) {
      refs.push(await put(new Float64Array(FLOATS).fill(i)))
      putOne?.()
    }
    return refs
  }

  it('spills to S3, restores, and leaves nothing there when the cluster ends', async () => {
    process.env['VIRGA_SPILL'] = `s3://${BUCKET}/${prefix}`
    await start()
    const refs = await fill()
    await until(async () => ((await storeStats()).totals['spilledBytes'] ?? 0) > 0)
    expect(await keys()).toBeGreaterThan(0)
    for (const [i, ref] of refs.entries()) {
      const array = await get(ref)
      expect([array.length, array[0], array.at(-1)]).toEqual([FLOATS, i, i])
    }
    await shutdown()
    expect(await keys()).toBe(0)
  })

  it('F39: S3 saying SlowDown slows those who put; none of them fails, and nothing is lost', async () => {
    const s3 = await startFaultProxy(endpoint, 39)
    proxy = s3
    process.env['AWS_ENDPOINT_URL'] = s3.endpoint
    process.env['VIRGA_SPILL'] = `s3://${BUCKET}/${prefix}`
    const writes = (): number => WRITES.reduce((sum, each) => sum + (s3.calls.get(each) ?? 0), 0)
    await start()
    s3.set(WRITES.map((operation) => ({ fault: 'throttle', operation }) as const))
    let made = 0
    const filling = fill(() => (made += 1))
    filling.catch(() => undefined) // heard below, unless the test has failed before
    await until(() => made >= STORE_OBJECTS - 1) // a header lies beside each: maybe one less
    const beganMs = performance.now()
    await until(() => performance.now() > beganMs + THROTTLED_MS)
    expect(made).toBeLessThanOrEqual(STORE_OBJECTS) // the next waits for room, which S3 alone has
    const callsMax = RETRY_TOKENS_MAX + (2 * THROTTLED_MS) / 1000
    expect(writes()).toBeGreaterThan(1)
    expect(writes()).toBeLessThan(callsMax) // no hot loop
    s3.set([])
    for (const [i, ref] of (await filling).entries()) {
      const array = await get(ref)
      expect([array.length, array[0], array.at(-1)]).toEqual([FLOATS, i, i])
    }
    await shutdown()
    expect(await keys()).toBe(0)
  })

  it('the disk comes first where it is named first', async () => {
    process.env['VIRGA_SPILL'] = `disk,s3://${BUCKET}/${prefix}`
    await start()
    const refs = await fill()
    await until(async () => ((await storeStats()).totals['spilledBytes'] ?? 0) > 0)
    expect(await keys()).toBe(0)
    expect((await get(refs[0] ?? (await put(new Float64Array(0))))).length).toBe(FLOATS)
  })

  it('refuses what it does not understand, before anything is started', async () => {
    process.env['VIRGA_SPILL'] = 'gs://other'
    const error = await caught(init({ address: 'local' }), UsageError)
    expect(error.message).toContain('s3://bucket/prefix')
    await expect(loadBucket(ATTEMPTS, 's3://UPPER', {})).rejects.toThrow(/no address of a bucket/)
  })
})
