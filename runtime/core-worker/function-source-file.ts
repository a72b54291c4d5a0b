// Reads the file of a home module.
import { readFileSync } from 'node:fs'
import { homePath } from './function-home.ts'
import type { ReadHome } from './function-sources.ts'

/** A home that is gone (a temporary file, an unmounted folder) has no bytes; that is no error. */
export const readHomeFile: ReadHome = (home) => {
  try {
    return readFileSync(homePath(home))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
