// What the command line asks of a raylet: rows of its state, and to stop. The connection itself is
// made in main.ts, which alone may build adapters.
import { UsageError } from '../runtime/common/errors.ts'

/** One thing of the cluster, with stable keys; ids in hex. */
export type Row = Readonly<Record<string, unknown>>

export interface StateTable {
  readonly rows: readonly Row[]
  /** Rows that the raylet no longer has, or that were beyond the limit. */
  readonly dropped: number
}

export interface RayletClient {
  readonly nodeId: string
  readonly sessionDir: string
  state(kind: string): Promise<StateTable>
  /** Progress by function as it was when the cluster stopped; rejects when it only vanished. */
  lastSummary(): Promise<readonly Row[]>
  stop(): Promise<void>
  /** Resolves when it is removed. May be repeated. */
  removeGroup(groupId: string): Promise<void>
  close(): void
}

/** What `list`, `get` and `summary` know: the name users say → the name on the wire. */
export const KINDS = {
  tasks: { wire: 'tasks', id: 'taskId' },
  actors: { wire: 'actors', id: 'actorId' },
  objects: { wire: 'objects', id: 'objectId' },
  workers: { wire: 'workers', id: 'workerId' },
  nodes: { wire: 'nodes', id: 'nodeId' },
  jobs: { wire: 'jobs', id: 'jobId' },
  'placement-groups': { wire: 'groups', id: 'groupId' },
} as const

export type Kind = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS) as Kind[]

/** `task` and `tasks` are one. @throws UsageError for a kind that is none. */
export function kindOf(
  text: string,
  suggest: (name: string, of: readonly string[]) => string,
): Kind {
  const found = KIND_NAMES.find((name) => name === text || name === `${text}s`)
  if (found !== undefined) return found
  throw new UsageError(
    `there is no kind '${text}': say ${KIND_NAMES.join(', ')}${suggest(text, KIND_NAMES)}`,
  )
}

export const textOf = (row: Row, key: string): string => {
  const value = row[key]
  return typeof value === 'string' ? value : ''
}

export const numberOf = (row: Row, key: string): number => {
  const value = row[key]
  return typeof value === 'number' ? value : 0
}
