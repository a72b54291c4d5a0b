// The files of remote functions, read once per process for their hashes and names.
import { systemHash } from '../runtime/common/random-system.ts'
import { readHomeFile } from '../runtime/core-worker/function-source-file.ts'
import { Sources } from '../runtime/core-worker/function-sources.ts'

let made: Sources | undefined

export const sources = (): Sources =>
  (made ??= new Sources({ read: readHomeFile, hash: systemHash }))
