// All rows of a partition, page by page.
import { QUERY_ROWS_MAX, type QueryOptions, type Row, type Storage } from './storage.ts'

export async function queryAll(
  storage: Storage,
  pk: string,
  options: Omit<QueryOptions, 'after' | 'limit'>,
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
