// The GCS on DynamoDB as a composition root opens it: with an emulator, and without the AWS SDK.
import { spawnSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Clock } from '../../../runtime/common/clock.ts'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { loadBucket } from '../../../runtime/gcs/bucket-loader.ts'
import { loadDynamoGcs } from '../../../runtime/gcs/dynamodb-loader.ts'
import { RETRY_TOKENS_MAX } from '../../../runtime/gcs/retry-budget.ts'
import { nodeKey } from '../../../runtime/gcs/tables.ts'
import { ATTEMPTS } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { caught } from '../../support/waiting.ts'

const cloud = await startCloud()
describeOn(cloud, 'with an endpoint', (cloud) => {
  afterAll(() => cloud.stop())

  test('tables and bucket are made; opening it again finds what was written', async () => {
    const options = { cluster: 'opened', bucket: 'opened', endpoint: cloud.endpoint }
    const deps = { ...ATTEMPTS, hash: systemHash }
    const first = await loadDynamoGcs(deps, options)
    const value = { epoch: 1, large: 'x'.repeat(100_000) }
    await first.storage.putIf(nodeKey('ab'), value, 'ABSENT')
    expect(first.units.rows()).toMatchObject([{ table: 'cluster', writeUnits: 1, calls: 1 }])
    first.close()
    const second = await loadDynamoGcs(deps, options)
    expect((await second.storage.get(nodeKey('ab')))?.value).toEqual(value)
    second.close()
  })
})

/** AWS in trouble: tables and bucket are there already, and nothing else is answered. */
async function failing(called: () => void): Promise<{ server: Server; endpoint: string }> {
  const server = createServer((request, response) => {
    const target = request.headers['x-amz-target'] ?? ''
    if (request.method === 'PUT') response.end()
    else if (String(target).endsWith('CreateTable')) {
      response.writeHead(400).end('{"__type":"#ResourceInUseException"}')
    } else {
      called()
      response.writeHead(500).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { server, endpoint: `http://127.0.0.1:${String(port)}` }
}

test('DY2, F28: rows and bodies share one budget of retries', async () => {
  let requests = 0
  const { server, endpoint } = await failing(() => void (requests += 1))
  const faster = 10
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * faster,
    after: (delayMs, run) => systemClock.after(delayMs / faster, run),
  }
  const options = { cluster: 'c', bucket: 'b', endpoint }
  const gcs = await loadDynamoGcs({ ...ATTEMPTS, clock, hash: systemHash }, options)
  const beganAtMs = clock.monotonicMs()
  const each = 60
  const calls = Array.from({ length: each }, (_, index) => [
    gcs.storage.get(nodeKey(String(index))),
    gcs.bodies.get(String(index)),
  ])
  const outcomes = await Promise.allSettled(calls.flat())
  const seconds = (clock.monotonicMs() - beganAtMs) / 1000
  gcs.close()
  server.close()
  expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
  expect(requests).toBeLessThanOrEqual(1.2 * 2 * each + RETRY_TOKENS_MAX + 0.5 * seconds)
})

test('where nobody answers: an error that says where', async () => {
  const { server, endpoint } = await failing(() => undefined)
  await new Promise((resolve) => server.close(resolve))
  const options = { cluster: 'c', bucket: 'b', endpoint }
  const opening = loadDynamoGcs({ ...ATTEMPTS, hash: systemHash }, options)
  const { message } = await caught(opening, GcsUnavailableError)
  expect(message).toContain(`cannot be made at ${endpoint}`)
  const bucket = await caught(loadBucket(ATTEMPTS, 's3://b-1', { endpoint }), GcsUnavailableError)
  expect(bucket.message).toContain(`the bucket b-1 cannot be made at ${endpoint}`)
})

test('without the AWS SDK: a UsageError with the command that installs it', () => {
  const hooks = `import { registerHooks } from 'node:module'
registerHooks({ resolve(specifier, context, next) {
  if (!specifier.startsWith('@aws-sdk/')) return next(specifier, context)
  throw Object.assign(new Error('not found'), { code: 'ERR_MODULE_NOT_FOUND' })
} })`
  const loader = join(import.meta.dirname, '../../../runtime/gcs/dynamodb-loader.ts')
  const program = `const { loadDynamoGcs } = await import(${JSON.stringify(loader)})
await loadDynamoGcs({}, { cluster: 'c', bucket: 'b' }).catch((error) => console.log(error.message))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(hooks)}`,
      '--input-type=module',
      '-e',
      program,
    ],
    { encoding: 'utf8' },
  )
  expect(stdout, stderr).toContain('npm install @aws-sdk/client-dynamodb @aws-sdk/client-s3')
})
