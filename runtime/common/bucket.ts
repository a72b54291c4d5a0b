// The port to an object store in the cloud, under one prefix of a bucket, as far as more is needed
// than whole small bodies: ranges are read, and large objects are written in parts, which appear
// as one when all are there.
// Invariants, held by the contract suites of those who use it:
//   BK1. An upload is invisible until it is completed, then whole; one that is aborted, or never
//        completed, leaves nothing once it is aborted.
//   BK2. Every call but startUpload may be repeated.
// Source: S3 "Uploading and copying objects using multipart upload".

/** All parts but the last have at least this. Source: S3 "Multipart upload limits". */
export const PART_BYTES_MIN = 5 * 1024 * 1024
export const PART_COUNT_MAX = 10_000

export interface Upload {
  readonly key: string
  readonly uploadId: string
}

export interface Part {
  /** From 1. */
  readonly number: number
  readonly etag: string
}

export interface Bucket {
  /** `s3://bucket/`, `s3://bucket/prefix/`: where paths of what is in it begin, and no others. */
  readonly name: string
  put(key: string, bytes: Uint8Array): Promise<void>
  /**
   * @returns the bytes from `offset`, fewer than `sizeBytes` at the end, or undefined when there
   *   is no such object.
   */
  getRange(key: string, offset: number, sizeBytes: number): Promise<Uint8Array | undefined>
  /** As good when it is gone already. */
  delete(key: string): Promise<void>
  startUpload(key: string): Promise<Upload>
  putPart(upload: Upload, number: number, bytes: Uint8Array): Promise<Part>
  completeUpload(upload: Upload, parts: readonly Part[]): Promise<void>
  /** As good when it is gone already. */
  abortUpload(upload: Upload): Promise<void>
  /** At most `limit` objects, in the order of their keys. */
  list(prefix: string, options: { readonly limit: number }): Promise<readonly { key: string }[]>
  /** Uploads that were neither completed nor aborted, under `prefix`; at most a page of them. */
  listUploads(prefix: string): Promise<readonly Upload[]>
}
