// All rows of some partitions, each read page by page, all at once.
import { QUERY_ROWS_MAX, type QueryOptions, type Row, type Storage } from './storage.ts'

type PartitionOptions = Omit<QueryOptions, 'after' | 'limit'>

/** @returns the rows of the first partition, then those of the next. */
export async function queryAll(
  storage: Storage,
  partitions: readonly string[],
  options: PartitionOptions = {},
): Promise<readonly Row[]> {
  const rows = await Promise.all(partitions.map((pk) => queryPartition(storage, pk, options)))
  return rows.flat()
}

async function queryPartition(
  storage: Storage,
  pk: string,
  options: PartitionOptions,
): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (;;) {
    const after = rows.at(-1)?.key.sk
    const start = after === undefined ? {} : { after }
    const page = await storage.query('cluster', pk, { ...options, ...start })
    rows.push(...page)
    if (page.length < QUERY_ROWS_MAX) return rows
  }
}
