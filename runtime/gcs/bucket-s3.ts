// S3, under one prefix of the cluster's bucket: bodies of rows, and spilled objects. Repeated by
// `attempts` like every call to the GCS: an object is written under a key of its own, so writing it
// twice does no harm.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { assert } from '../common/assert.ts'
import type { Bucket, Part, Upload } from '../common/bucket.ts'
import { Attempts, type AttemptsDeps } from './attempts.ts'
import { awsClientConfig, MAKING_ATTEMPTS, type AwsOptions } from './aws-client-system.ts'
import { explainAws } from './aws-failure.ts'
import type { BodyInfo, BodyStore } from './body-store.ts'

const REQUEST_TIMEOUT_MS = 30_000

export interface S3BucketOptions extends AwsOptions {
  readonly bucket: string
  /** Ends in a slash. */
  readonly prefix: string
  /** How long a call is repeated. Default: that of Attempts. */
  readonly deadlineMs?: number
}

/** The bucket of an emulator; a cluster in AWS is deployed with its own. May be repeated. */
export async function createBucket(options: Omit<S3BucketOptions, 'prefix'>): Promise<void> {
  const client = s3Client({ maxAttempts: MAKING_ATTEMPTS, ...options })
  try {
    await client.send(new CreateBucketCommand({ Bucket: options.bucket }))
  } catch (error) {
    if (error instanceof Error && error.name === 'BucketAlreadyOwnedByYou') return
    throw error
  } finally {
    client.destroy()
  }
}

function s3Client(options: AwsOptions): S3Client {
  return new S3Client({
    ...awsClientConfig(options, REQUEST_TIMEOUT_MS),
    forcePathStyle: options.endpoint !== undefined, // emulators have one host name
  })
}

export class S3Bucket implements BodyStore, Bucket {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #deps: AttemptsDeps
  readonly #attempts: Attempts

  constructor(deps: AttemptsDeps, options: S3BucketOptions) {
    this.#deps = deps
    this.#bucket = options.bucket
    this.#prefix = options.prefix
    this.#attempts = new Attempts(deps, explainAws, options.deadlineMs)
    this.#client = s3Client(options)
  }

  get name(): string {
    return `s3://${this.#bucket}/${this.#prefix}`
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const command = new PutObjectCommand({ ...this.#at(key), Body: bodyOf(bytes) })
    await this.#run('put', key, true, () => this.#client.send(command))
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#get(key)
  }

  async getRange(key: string, offset: number, sizeBytes: number): Promise<Uint8Array | undefined> {
    // S3 has no empty range.
    if (sizeBytes === 0) return new Uint8Array(0)
    return this.#get(key, `bytes=${String(offset)}-${String(offset + sizeBytes - 1)}`)
  }

  async delete(key: string): Promise<void> {
    const command = new DeleteObjectCommand(this.#at(key))
    await this.#run('delete', key, true, () => this.#client.send(command))
  }

  async startUpload(key: string): Promise<Upload> {
    const command = new CreateMultipartUploadCommand(this.#at(key))
    // Repeated it may leave an upload that nobody knows: swept like those of nodes that died.
    const { UploadId } = await this.#run('startUpload', key, true, () => this.#client.send(command))
    assert(UploadId !== undefined, 'S3 started an upload without an id')
    return { key, uploadId: UploadId }
  }

  async putPart(upload: Upload, number: number, bytes: Uint8Array): Promise<Part> {
    const { ETag } = await this.#run('putPart', upload.key, true, () =>
      this.#client.send(
        new UploadPartCommand({
          ...this.#of(upload),
          PartNumber: number,
          Body: bodyOf(bytes),
        }),
      ),
    )
    assert(ETag !== undefined, 'S3 took a part without a tag')
    return { number, etag: ETag }
  }

  async completeUpload(upload: Upload, parts: readonly Part[]): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#of(upload),
      MultipartUpload: {
        Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })),
      },
    })
    await this.#run('completeUpload', upload.key, true, async (unsure) => {
      try {
        await this.#client.send(command)
      } catch (error) {
        // An attempt whose answer was lost has completed it: the upload is gone, its object there.
        if (!unsure || !isNamed(error, 'NoSuchUpload')) throw error
        await this.#client.send(new HeadObjectCommand(this.#at(upload.key)))
      }
    })
  }

  async abortUpload(upload: Upload): Promise<void> {
    const command = new AbortMultipartUploadCommand(this.#of(upload))
    await this.#run('abortUpload', upload.key, true, async () => {
      try {
        await this.#client.send(command)
      } catch (error) {
        if (!isNamed(error, 'NoSuchUpload')) throw error
      }
    })
  }

  async listUploads(prefix: string): Promise<readonly Upload[]> {
    const command = new ListMultipartUploadsCommand({
      Bucket: this.#bucket,
      Prefix: this.#prefix + prefix,
    })
    const { Uploads = [] } = await this.#run('listUploads', prefix, false, () =>
      this.#client.send(command),
    )
    return Uploads.map(({ Key = '', UploadId = '' }) => ({
      key: Key.slice(this.#prefix.length),
      uploadId: UploadId,
    }))
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

  #get(key: string, Range?: string): Promise<Uint8Array | undefined> {
    const command = new GetObjectCommand({ ...this.#at(key), Range })
    return this.#run('get', key, false, async () => {
      try {
        return await (await this.#client.send(command)).Body?.transformToByteArray()
      } catch (error) {
        if (isNamed(error, 'NoSuchKey')) return undefined
        if (isNamed(error, 'InvalidRange')) return new Uint8Array(0)
        throw error
      }
    })
  }

  #at(key: string): ObjectName {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  #of(upload: Upload): ObjectName & { readonly UploadId: string } {
    return { ...this.#at(upload.key), UploadId: upload.uploadId }
  }

  #run<T>(
    call: string,
    key: string,
    writes: boolean,
    attempt: (unsure: boolean) => Promise<T>,
  ): Promise<T> {
    return this.#attempts.run({ name: `${call} of ${this.name}${key}`, writes, attempt })
  }
}

interface ObjectName {
  readonly Bucket: string
  readonly Key: string
}

const bodyOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const isNamed = (error: unknown, name: string): boolean =>
  error instanceof Error && error.name === name
