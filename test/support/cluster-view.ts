// What the raylet knows, asked over the connection of the driver in this process.
import { availableResources, clusterResources } from 'virga'

interface CoreWorkerLike {
  readonly deps: {
    readonly raylet: {
      request(type: 'state', message: { kind: string }): Promise<{ rows: readonly object[] }>
    }
  }
  readonly options: { readonly welcome: { readonly sessionDir: string } }
}

function coreWorker(): CoreWorkerLike {
  const key = Symbol.for('virga')
  const registry = (globalThis as unknown as Record<symbol, { currentCoreWorker: unknown }>)[key]
  const worker = registry?.currentCoreWorker as CoreWorkerLike | undefined
  if (worker === undefined) throw new Error('this process is no driver: init() comes first')
  return worker
}

/** The rows that `virga list KIND` shows. */
export async function stateRows<Row extends object>(kind: string): Promise<readonly Row[]> {
  const { rows } = await coreWorker().deps.raylet.request('state', { kind })
  return rows as readonly Row[]
}

export interface StoreRow {
  readonly sizeBytes: number
  readonly usedBytes: number
  readonly droppableBytes: number
  readonly pinnedBytes: number
  readonly objectCount: number
  readonly totals: Readonly<Record<string, number>>
}

/** The node's object store, in numbers. */
export async function storeStats(): Promise<StoreRow> {
  const [node] = await stateRows<{ store: StoreRow }>('nodes')
  if (node === undefined) throw new Error('the cluster has no node')
  return node.store
}

export const sessionDir = (): string => coreWorker().options.welcome.sessionDir

/** I4: nothing is leased any more. */
export async function slotsAreBack(): Promise<boolean> {
  const [free, total] = [await availableResources(), await clusterResources()]
  return JSON.stringify(free) === JSON.stringify(total)
}
