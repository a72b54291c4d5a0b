// Where things lie in the GCS tables, and the decisions made on their rows. Only what one machine
// needs so far: nodes, jobs and names.
//   cluster  N#0..7   | nodeId        node: epoch, address, pid, totals, labels, state
//            JOBS     | jobId         job: name, namespace, state, times
//            NAME#ns  | name          the actor that has the name: a decision, on its own row
import type { Row, RowKey, RowValue, Storage } from './storage.ts'

const NODE_SHARDS = 8

/** @param nodeId  hex. */
export const nodeKey = (nodeId: string): RowKey => ({
  table: 'cluster',
  pk: `N#${String(shardOf(nodeId))}`,
  sk: nodeId,
})

/** @param jobId  hex. */
export const jobKey = (jobId: string): RowKey => ({ table: 'cluster', pk: 'JOBS', sk: jobId })

export const nameKey = (namespace: string, name: string): RowKey => ({
  table: 'cluster',
  pk: `NAME#${namespace}`,
  sk: name,
})

function shardOf(hex: string): number {
  return (Number.parseInt(hex.slice(-2), 16) || 0) % NODE_SHARDS
}

/** What a name's row says of its holder; ids in hex. */
export interface NameRow {
  readonly actorId: string
  readonly owner: string
  readonly sinceMs: number
}

/**
 * Take a name, unless somebody has it.
 * @returns the row in the way, or undefined when the name is ours now. Repeating it with the same
 *   actorId finds our own row and counts as won: a write whose answer was lost does no harm.
 */
export async function claimName(
  storage: Storage,
  key: { readonly namespace: string; readonly name: string },
  row: NameRow,
): Promise<NameRow | undefined> {
  const outcome = await storage.putIf(nameKey(key.namespace, key.name), { ...row }, 'ABSENT')
  const current = outcome.won || outcome.current === undefined ? undefined : asName(outcome.current)
  return current?.actorId === row.actorId ? undefined : current
}

export async function findName(
  storage: Storage,
  key: { readonly namespace: string; readonly name: string },
): Promise<NameRow | undefined> {
  const row = await storage.get(nameKey(key.namespace, key.name))
  return row && asName(row)
}

/** Free a name, if that actor still has it. */
export async function releaseName(
  storage: Storage,
  key: { readonly namespace: string; readonly name: string },
  actorId: string,
): Promise<void> {
  const row = await storage.get(nameKey(key.namespace, key.name))
  if (row !== undefined && asName(row).actorId === actorId) {
    // A lost race means that somebody else released it: as good.
    await storage.delete(row.key, row.version)
  }
}

function asName(row: Row): NameRow {
  const { actorId, owner, sinceMs } = row.value
  return { actorId: String(actorId), owner: String(owner), sinceMs: Number(sinceMs) }
}

/** Facts about nodes and jobs: the last word counts. */
export const putFact = (storage: Storage, key: RowKey, value: RowValue): Promise<void> =>
  storage.append([{ key, value }])
