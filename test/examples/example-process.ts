// Runs an example as a user would, in a process of its own, and finds what it left behind.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, type Dirent } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processesWith } from '../support/processes-with.ts'
import { SCALE } from '../support/scale.ts'

const ROOT = join(import.meta.dirname, '../..')
/** A variable by which its processes are found. */
const MARK = 'VIRGA_EXAMPLE_MARK'

export interface ExampleEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** How many processes it had when it first said something: the search for them does find. */
  readonly processCount: number
  /** Processes of it that still live, and files in its runtime and temporary folders. */
  readonly leftovers: () => string[]
}

/** Its sockets, sessions and temporary files go to a folder of its own, its processes are marked. */
export class ExampleProcess implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'virga-example-'))

  /**
   * @param path  from the root of the project.
   * @param options.runtimeDir  of a cluster that it is to find. Default: it starts one.
   * @param options.scale  its size. Default: that of the tests.
   */
  async run(
    path: string,
    timeoutMs: number,
    { runtimeDir, scale = SCALE }: { readonly runtimeDir?: string; readonly scale?: string } = {},
  ): Promise<ExampleEnd> {
    const folders = {
      XDG_RUNTIME_DIR: join(this.#folder, 'run'),
      TMPDIR: join(this.#folder, 'tmp'),
    }
    for (const folder of Object.values(folders)) mkdirSync(folder, { mode: 0o700 })
    const { VITEST: _vitest, VIRGA_ADDRESS: _address, ...env } = process.env
    const child = spawn(process.execPath, [join(ROOT, path)], {
      cwd: ROOT,
      env: {
        ...env,
        ...folders,
        ...(runtimeDir === undefined ? {} : { XDG_RUNTIME_DIR: runtimeDir }),
        VIRGA_TEST_SCALE: scale,
        [MARK]: this.#folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
    })
    const output = { stdout: '', stderr: '' }
    let processCount = 0
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (processCount === 0) processCount = this.#processes().length
      output.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    const leftovers = (): string[] => [...this.#processes(), ...this.#files()]
    return { code, ...output, processCount, leftovers }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #processes(): string[] {
    return processesWith(MARK, this.#folder).map((pid) => `process ${String(pid)}`)
  }

  /** Empty folders may stay: only what a program wrote counts. */
  #files(): string[] {
    return this.#entries()
      .filter((entry) => !entry.isDirectory() && !entry.parentPath.includes('node-compile-cache'))
      .map((entry) => join(entry.parentPath, entry.name))
  }

  /** A folder may go while it is read: then it is read again. */
  #entries(): Dirent[] {
    for (;;) {
      try {
        return readdirSync(this.#folder, { recursive: true, withFileTypes: true })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  }
}
