// The cluster's bucket as one process of a simulated run reaches it. Every call but the start of an
// upload may be repeated (BK2), so a write in doubt is no other error than one that failed.
import type { Bucket } from '../../runtime/common/bucket.ts'
import { GcsUnavailableError } from '../../runtime/common/errors.ts'
import type { LateKeys } from './late-keys.ts'
import type { SimProcess } from './process.ts'
import { callsTo, type ServiceParts } from './service.ts'

const HITS = {
  fails: 'a call of the bucket fails',
  no: 'a call of the bucket is lost',
  'in time': 'a call of the bucket is executed and fails',
  late: 'a call of the bucket is executed after it failed',
} as const

/** @param owner  the node and epoch that it is for, as it names what it writes. */
export function simBucket(
  process: SimProcess,
  bucket: Bucket,
  {
    owner,
    late,
    ...parts
  }: Omit<ServiceParts, 'asLate'> & {
    readonly owner: string
    readonly late: LateKeys
  },
): Bucket {
  const failed = (name: string): Error =>
    new GcsUnavailableError(`${name} of the bucket failed (simulated)`)
  const call = callsTo(
    { ...parts, name: 'bucket', hits: HITS, failed, asLate: (run) => late.asLate(run) },
    process,
  )
  const noteRead = (key: string, found: Uint8Array | undefined): void => {
    if (found === undefined || key.includes(`/${owner}/`)) return
    const isKept = key.split('/').length > KEY_PARTS_OF_SPILLED
    parts.probes.hit(isKept ? 'what was kept for a job is read' : 'spilled by another node, read')
  }
  return {
    name: bucket.name,
    put: (key, bytes) => {
      const copy = bytes.slice() // the writer may use its own again
      return call('put', () => {
        late.writes(key)
        return bucket.put(key, copy)
      })
    },
    getRange: async (key, offset, sizeBytes) => {
      const found = await call('get', () => bucket.getRange(key, offset, sizeBytes), false)
      noteRead(key, found)
      return found
    },
    delete: (key) => call('delete', () => bucket.delete(key)),
    startUpload: (key) =>
      call('startUpload', () => {
        late.writes(key)
        return bucket.startUpload(key)
      }),
    putPart: (upload, number, bytes) =>
      call('putPart', () => bucket.putPart(upload, number, bytes)),
    completeUpload: (upload, sent) =>
      call('completeUpload', () => {
        late.writes(upload.key)
        return bucket.completeUpload(upload, sent)
      }),
    abortUpload: (upload) => call('abortUpload', () => bucket.abortUpload(upload)),
    list: (prefix, options) => call('list', () => bucket.list(prefix, options), false),
    listUploads: (prefix) => call('listUploads', () => bucket.listUploads(prefix), false),
  }
}

/** `spill/NODE-EPOCH/number`; what is kept for a job has that job between. */
const KEY_PARTS_OF_SPILLED = 3
