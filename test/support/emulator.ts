// An emulator of AWS for one test file, with the cluster's tables and a bucket in it.
import { describe } from 'vitest'
import { createBucket } from '../../runtime/gcs/bucket-s3.ts'
import { createTables } from '../../runtime/gcs/client-dynamodb.ts'
import type { EngineName } from '../../scripts/emulator/engines.ts'
import { startEngine } from '../../scripts/emulator/start.ts'
import { startImage } from './emulator-image.ts'
import { leaveOut } from './where.ts'

export const CLUSTER = 'test'
export const BUCKET = 'virga-test'
export const REGION = 'us-east-1'

/** `image`: whatever answers as LocalStack does, in a container. */
export type CloudName = EngineName | 'image'
/** Those that have S3 beside DynamoDB. */
export const WITH_S3 = ['ministack', 'moto', 'image'] as const

export interface TestCloud {
  readonly engine: CloudName
  readonly endpoint: string
  stop(): Promise<void>
}

/** The engine of tests that name none: VIRGA_TEST_EMULATOR. Default: ministack. */
const CHOSEN = ((): CloudName => {
  const named = process.env['VIRGA_TEST_EMULATOR'] ?? 'ministack'
  const chosen = WITH_S3.find((name) => name === named)
  if (chosen !== undefined) return chosen
  throw new Error(`VIRGA_TEST_EMULATOR is '${named}'; it must be one of ${WITH_S3.join(', ')}.`)
})()

/**
 * Start an engine for this file.
 * @param engine  Default: the one that VIRGA_TEST_EMULATOR names.
 * @returns undefined when it cannot be had here, after saying why. Under CI the default one must
 *          be.
 */
export async function startCloud(engine = CHOSEN): Promise<TestCloud | undefined> {
  const emulator = await (engine === 'image' ? startImage() : startEngine(engine))
  if ('missing' in emulator) {
    if (engine === CHOSEN && process.env['CI'] !== undefined) throw new Error(emulator.missing)
    console.warn(`Not tested here: ${emulator.missing}`)
    return undefined
  }
  await createTables(CLUSTER, { endpoint: emulator.endpoint, region: REGION })
  if (engine !== 'dynamodb-local') {
    await createBucket({ bucket: BUCKET, endpoint: emulator.endpoint, region: REGION })
  }
  return emulator
}

/** Tests on that engine. @param reason  why there may be none. */
export function describeOn(
  cloud: TestCloud | undefined,
  name: string,
  define: (cloud: TestCloud) => void,
  reason = 'no such engine here',
): void {
  if (cloud === undefined) {
    leaveOut(name, reason) // under CI the default engine must be there (startCloud)
    return
  }
  describe(name, () => {
    define(cloud)
  })
}
