// A bucket in memory that can be full of errors, for tests of what spills to one.
import type { Bucket, Part, Upload } from '../../runtime/common/bucket.ts'
import { GcsUnavailableError } from '../../runtime/common/errors.ts'

export class MemoryBucket implements Bucket {
  readonly name = 'memory://bucket/'
  readonly objects = new Map<string, Uint8Array>()
  readonly uploads = new Map<string, Map<number, Uint8Array>>()
  /** Calls that fail from now on; a part fails after those before it were taken. */
  failing: ReadonlySet<keyof Bucket> = new Set()
  /** How many parts were sent at a time, at the most. */
  mostParts = 0
  #parts = 0

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#check('put')
    this.objects.set(key, Uint8Array.from(bytes))
  }

  async getRange(key: string, offset: number, size: number): Promise<Uint8Array | undefined> {
    this.#check('getRange')
    return this.objects.get(key)?.slice(offset, offset + size)
  }

  async delete(key: string): Promise<void> {
    this.#check('delete')
    this.objects.delete(key)
  }

  async startUpload(key: string): Promise<Upload> {
    this.#check('startUpload')
    const upload = { key, uploadId: String(this.uploads.size) }
    this.uploads.set(key, new Map())
    return upload
  }

  async putPart({ key }: Upload, number: number, bytes: Uint8Array): Promise<Part> {
    this.#parts += 1
    this.mostParts = Math.max(this.mostParts, this.#parts)
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#parts -= 1
    this.#check('putPart')
    this.uploads.get(key)?.set(number, bytes)
    return { number, etag: String(number) }
  }

  async completeUpload({ key }: Upload, parts: readonly Part[]): Promise<void> {
    this.#check('completeUpload')
    const sent = this.uploads.get(key)
    this.objects.set(
      key,
      Buffer.concat(parts.map(({ number }) => sent?.get(number) ?? Buffer.of())),
    )
    this.uploads.delete(key)
  }

  async list(prefix: string, { limit }: { readonly limit: number }): Promise<{ key: string }[]> {
    this.#check('list')
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix))
    return keys.slice(0, limit).map((key) => ({ key }))
  }

  async abortUpload({ key }: Upload): Promise<void> {
    this.#check('abortUpload')
    this.uploads.delete(key)
  }

  async listUploads(prefix: string): Promise<readonly Upload[]> {
    this.#check('listUploads')
    const keys = [...this.uploads.keys()].filter((key) => key.startsWith(prefix))
    return keys.map((key) => ({ key, uploadId: key }))
  }

  /** Changes an object by its path behind everybody's back; undefined deletes it. */
  damage(path: string, change: ((bytes: Uint8Array) => Uint8Array) | undefined): void {
    const key = path.slice(this.name.length)
    const bytes = this.objects.get(key)
    if (change === undefined) this.objects.delete(key)
    else if (bytes !== undefined) this.objects.set(key, change(bytes))
  }

  #check(call: keyof Bucket): void {
    if (!this.failing.has(call)) return
    throw new GcsUnavailableError(`${call} failed, nothing was changed (injected)`)
  }
}
