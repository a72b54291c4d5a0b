// Bodies in S3, under one prefix of the cluster's bucket. Repeated by `attempts` like every call to
// the GCS: a body is written under a key of its own, so writing it twice does no harm.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Attempts, type AttemptsDeps } from './attempts.ts'
import { awsClientConfig, type AwsOptions } from './aws-client-system.ts'
import { explainAws } from './aws-failure.ts'
import type { BodyInfo, BodyStore } from './body-store.ts'

const REQUEST_TIMEOUT_MS = 30_000

export interface S3BodyOptions extends AwsOptions {
  readonly bucket: string
  /** Ends in a slash. Default: `gcs/`. */
  readonly prefix?: string
  /** How long a call is repeated. Default: that of Attempts. */
  readonly deadlineMs?: number
}

/** The bucket of an emulator; a cluster in AWS is deployed with its own. May be repeated. */
export async function createBucket(options: S3BodyOptions): Promise<void> {
  const client = s3Client(options)
  try {
    await client.send(new CreateBucketCommand({ Bucket: options.bucket }))
  } catch (error) {
    if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return
    throw error
  } finally {
    client.destroy()
  }
}

function s3Client(options: S3BodyOptions): S3Client {
  return new S3Client({
    ...awsClientConfig(options, REQUEST_TIMEOUT_MS),
    forcePathStyle: options.endpoint !== undefined, // emulators have one host name
  })
}

export class S3BodyStore implements BodyStore {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #deps: AttemptsDeps
  readonly #attempts: Attempts

  constructor(deps: AttemptsDeps, options: S3BodyOptions) {
    this.#deps = deps
    this.#bucket = options.bucket
    this.#prefix = options.prefix ?? 'gcs/'
    this.#attempts = new Attempts(deps, explainAws, options.deadlineMs)
    this.#client = s3Client(options)
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const Body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    await this.#run('put', key, true, () =>
      this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key, Body }),
      ),
    )
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return await this.#run('get', key, false, async () => {
      try {
        const answer = await this.#client.send(
          new GetObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }),
        )
        return await answer.Body?.transformToByteArray()
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined
        throw error
      }
    })
  }

  async delete(key: string): Promise<void> {
    await this.#run('delete', key, true, () =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key })),
    )
  }

  async list(
    prefix: string,
    { after, limit }: { after?: string; limit: number },
  ): Promise<readonly BodyInfo[]> {
    const startAfter =
      after === undefined || after === '' ? {} : { StartAfter: this.#prefix + after }
    const answer = await this.#run('list', prefix, false, () =>
      this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: this.#prefix + prefix,
          MaxKeys: limit,
          ...startAfter,
        }),
      ),
    )
    const nowMs = this.#deps.clock.nowMs()
    return (answer.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
      key: Key.slice(this.#prefix.length),
      sizeBytes: Size,
      ageMs: LastModified === undefined ? 0 : nowMs - LastModified.getTime(),
    }))
  }

  close(): void {
    this.#client.destroy()
  }

  #run<T>(call: string, key: string, writes: boolean, attempt: () => Promise<T>): Promise<T> {
    return this.#attempts.run({ name: `${call} of the body ${key}`, writes, attempt })
  }
}
