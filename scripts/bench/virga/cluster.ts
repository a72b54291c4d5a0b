// What the rows of the column `value` share: a cluster of this process, or one that stands already.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { init, shutdown } from 'virga'
import type { Workload } from '../contender.ts'
import { freePort } from '../free-port.ts'
import { BATCH } from '../sizes.ts'

const CLI = join(import.meta.dirname, '../../../dist/cli.js')

/** `npm run bench -- --nodes N`: every row runs in a cluster of so many. */
export const NODES = Number(process.env['VIRGA_BENCH_NODES'] ?? '1')

/** Of each node. */
interface NodeOptions {
  readonly resources?: Readonly<Record<string, number>>
  readonly objectStoreMemoryBytes?: number
}

/** A row that runs in the cluster of this process, or in one of several nodes. */
export const inCluster = (
  make: () => Workload | Promise<Workload>,
  options: NodeOptions = {},
): (() => Promise<Workload>) =>
  NODES > 1
    ? asClient(make, options)
    : async (): Promise<Workload> => {
        await init({ address: 'local', ...options })
        return make()
      }

/** A row whose driver joins a cluster of `virga start`. */
export const asClient =
  (make: () => Workload | Promise<Workload>, options: NodeOptions = {}) =>
  async (): Promise<Workload> => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-bench-'))
    process.env['XDG_RUNTIME_DIR'] = folder // a cluster of the user's own is not touched
    const virga = (...args: string[]): Promise<unknown> =>
      promisify(execFile)(process.execPath, [CLI, ...args])
    const end = async (): Promise<void> => {
      try {
        await shutdown()
      } finally {
        await virga('stop')
        rmSync(folder, { recursive: true })
      }
    }
    await virga('start', '--port', String(await freePort()), ...flagsOf(options))
    try {
      await init({ address: 'auto' })
      return { ...(await make()), end }
    } catch (error) {
      await end() // nobody else knows of this cluster
      throw error
    }
  }

function flagsOf({ resources, objectStoreMemoryBytes: bytes }: NodeOptions): string[] {
  return [
    ...(NODES > 1 ? ['--nodes', String(NODES)] : []),
    ...(resources === undefined ? [] : ['--resources', JSON.stringify(resources)]),
    ...(bytes === undefined ? [] : ['--object-store-memory-bytes', String(bytes)]),
  ]
}

export const batch = <T>(submit: (index: number) => T): T[] =>
  Array.from({ length: BATCH }, (_, index) => submit(index))
