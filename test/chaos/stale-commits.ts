// Who was declared dead decides nothing any more, judged by what the tables hold: they are looked
// at again and again, past whatever is between them and the nodes.
//   ND1. The row of a node that is dead stays as it was when that was seen, until the node comes
//        back in another epoch.
//   No row of an actor or of a placement group is written again that its holder left behind: the
//        next write of it names another holder, or says that it is over.
// Lineage is not judged: its rows are facts, which may come late (design 8).
import { ScanCommand, type AttributeValue } from '@aws-sdk/client-dynamodb'
import { dynamoClient } from '../../runtime/gcs/client-dynamodb.ts'
import { fromItem } from '../../runtime/gcs/items-dynamodb.ts'
import type { Row } from '../../runtime/gcs/storage.ts'
import { kindOf, tableNameOf } from '../../runtime/gcs/tables.ts'
import { REGION } from '../support/emulator.ts'

const LOOK_EVERY_MS = 500
const HELD = new Set(['A', 'P'])

export class StaleCommits {
  /** Lives that were seen to be dead, and the version of their row. */
  readonly #dead = new Map<string, number>()
  /** By key, rows whose holder was seen to be dead before: their version then. */
  readonly #left = new Map<string, { readonly holder: string; readonly version: number }>()
  readonly found: string[] = []

  /** How many deaths it has judged by. */
  get deaths(): number {
    return this.#dead.size
  }

  /** By what it has seen so far, in any epoch. */
  isDead(nodeId: string): boolean {
    return [...this.#dead.keys()].some((life) => life.startsWith(nodeId))
  }

  /** @param rows  all of the table `cluster`, read after the last ones. */
  look(rows: readonly Row[]): void {
    // By deaths that were seen at an earlier look: a scan is not of one moment.
    for (const row of rows) if (HELD.has(kindOfRow(row))) this.#judge(row)
    for (const row of rows) if (kindOfRow(row) === 'N') this.#judgeNode(row)
  }

  #judge({ key, version, value }: Row): void {
    const holder = lifeOf(value)
    const name = `${key.pk} ${key.sk}`
    const left = this.#left.get(name)
    if (!this.#dead.has(holder) || value['state'] === 'DEAD') {
      this.#left.delete(name)
    } else if (left?.holder !== holder) {
      this.#left.set(name, { holder, version })
    } else if (left.version !== version) {
      this.found.push(`${name} was written under ${holder}, which was dead`)
    }
  }

  #judgeNode({ version, value }: Row): void {
    const life = lifeOf(value)
    const seen = this.#dead.get(life)
    if (seen === undefined) {
      if (value['state'] === 'DEAD') this.#dead.set(life, version)
    } else if (seen !== version) {
      this.found.push(`the row of ${life} was written after its death`)
    }
  }
}

/** Looks until it is stopped. @returns how to stop it, after a last look. */
export function watchForStaleCommits(
  endpoint: string,
  cluster: string,
  stale: StaleCommits,
): () => Promise<void> {
  const client = dynamoClient({ endpoint, region: REGION })
  const tableName = tableNameOf(cluster, 'cluster')
  const look = async (): Promise<void> => {
    const rows: Row[] = []
    let after: Record<string, AttributeValue> | undefined
    do {
      const start = after === undefined ? {} : { ExclusiveStartKey: after }
      const page = await client.send(
        new ScanCommand({ TableName: tableName, ConsistentRead: true, ...start }),
      )
      rows.push(...(page.Items ?? []).map((item) => fromItem('cluster', item).row))
      after = page.LastEvaluatedKey
    } while (after !== undefined)
    stale.look(rows)
  }
  let over = false
  const looking = (async () => {
    while (!over) {
      await look()
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
    await look()
  })()
  // Told by who stops it: nobody waits for it before.
  looking.catch(() => undefined)
  return async () => {
    over = true
    await looking.finally(() => {
      client.destroy()
    })
  }
}

const kindOfRow = ({ key }: Row): string => kindOf(key.pk, key.sk)
const lifeOf = (value: Row['value']): string =>
  `${String(value['nodeId'])} in epoch ${String(value['epoch'])}`
