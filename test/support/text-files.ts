// Text files that tasks write for their test to read, in a folder of the test file's own, which goes
// with its last test.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** @returns a function that gives, at each call, the path of a file that is not there yet. */
export function textFiles(): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  let count = 0
  return () => {
    count += 1
    return join(folder, String(count))
  }
}

/** None while the file is not there; empty lines are left out. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}
