// Home modules as files: reads them, and finds the one that is the driver's main module.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
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

/** Files that are no program of the user's, though they are the main module of its process. */
const RUNNERS = /\/node_modules\/(?:vitest|tinypool|tsx|mocha|jest-worker)\//

/**
 * The driver's main module as a home, which a worker may have to import first.
 * @param mainPath  process.argv[1]
 * @returns undefined where no program of the user's is the main module (-e, a test runner).
 */
export function findEntry(mainPath: string | undefined): string | undefined {
  if (mainPath === undefined) return undefined
  try {
    const path = realpathSync(mainPath)
    return RUNNERS.test(path) || !statSync(path).isFile() ? undefined : pathToFileURL(path).href
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
