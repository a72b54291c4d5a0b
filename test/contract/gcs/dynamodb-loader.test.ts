// The GCS on DynamoDB as a composition root opens it: with an emulator, and without the AWS SDK.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { loadDynamoGcs } from '../../../runtime/gcs/dynamodb-loader.ts'
import { nodeKey } from '../../../runtime/gcs/tables.ts'
import { ATTEMPTS } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'

const cloud = await startCloud('ministack')
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
