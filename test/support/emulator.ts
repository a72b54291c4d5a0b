// An emulator of AWS for one test file, with the cluster's tables and a bucket in it.
import { describe } from 'vitest'
import { createBucket } from '../../runtime/gcs/bucket-s3.ts'
import { createTables } from '../../runtime/gcs/client-dynamodb.ts'
import type { EngineName } from '../../scripts/emulator/engines.ts'
import { startEngine } from '../../scripts/emulator/start.ts'
import { startImage } from './emulator-image.ts'

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

/**
 * Start an engine for this file.
 * @returns undefined when it cannot be had here, after saying why. Under CI MiniStack must be.
 */
export async function startCloud(engine: CloudName): Promise<TestCloud | undefined> {
  const emulator = await (engine === 'image' ? startImage() : startEngine(engine))
  if ('missing' in emulator) {
    if (engine === 'ministack' && process.env['CI'] !== undefined) throw new Error(emulator.missing)
    console.warn(`Not tested here: ${emulator.missing}`)
    return undefined
  }
  await createTables(CLUSTER, { endpoint: emulator.endpoint, region: REGION })
  if (engine !== 'dynamodb-local') {
    await createBucket({ bucket: BUCKET, endpoint: emulator.endpoint, region: REGION })
  }
  return emulator
}

/** Tests on that engine. */
export function describeOn(
  cloud: TestCloud | undefined,
  name: string,
  define: (cloud: TestCloud) => void,
): void {
  // Reason: this machine cannot have the engine (no Python, Java or package index), as startCloud
  // has said; under CI MiniStack must be there, so nothing that only it runs is left out.
  describe.skipIf(cloud === undefined)(name, () => {
    if (cloud !== undefined) define(cloud)
  })
}
