// Text files that tasks write for their test to read, in a folder of the test's own.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class TextFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
  #count = 0

  /** The path of one that is not there yet. */
  next(): string {
    this.#count += 1
    return join(this.folder, String(this.#count))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}

/** None while the file is not there; empty lines are left out. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
}
