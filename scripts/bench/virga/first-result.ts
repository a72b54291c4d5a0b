// init() to the first result, in a fresh process each time.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const PROGRAM = join(import.meta.dirname, 'init-program.ts')

/** `value`: milliseconds, as the program itself measured them. */
export async function initToFirstResult(): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM])
  const elapsedMs = Number(stdout)
  if (!(elapsedMs > 0)) throw new Error(`init-program.ts printed '${stdout}', not milliseconds`)
  return { value: elapsedMs }
}
