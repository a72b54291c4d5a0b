// Names of actors: one row per name, written once and released by its holder alone.
import { amount, count, text } from '../common/shape.ts'
import { decideDelete, decidePut } from './decide.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, Storage } from './storage.ts'
import { nameKey } from './tables.ts'

export interface ActorName {
  readonly namespace: string
  readonly name: string
}

/** What a name's row says of its holder; ids in hex. */
export interface NameRow {
  readonly actorId: string
  readonly owner: string
  readonly sinceMs: number
  /** Where it lives: a node in one epoch of its life, whose death frees the name. */
  readonly nodeId: string
  readonly epoch: number
}

const NAME: FieldsOf<NameRow> = {
  ...{ actorId: text, owner: text, sinceMs: amount, nodeId: text, epoch: count },
}

/**
 * Take a name, unless somebody has it.
 * @returns the row in the way, or undefined when the name is ours now. Repeating it with the same
 *   actorId finds our own row and counts as won: a write whose answer was lost does no harm.
 */
export async function claimName(
  storage: Storage,
  { namespace, name }: ActorName,
  row: NameRow,
): Promise<NameRow | undefined> {
  const outcome = await decidePut(storage, {
    key: nameKey(namespace, name),
    value: { ...row },
    expected: 'ABSENT',
    isOurs: (value) => value['actorId'] === row.actorId,
  })
  return outcome.won || outcome.current === undefined ? undefined : asName(outcome.current)
}

export async function findName(
  storage: Storage,
  { namespace, name }: ActorName,
): Promise<NameRow | undefined> {
  const row = await storage.get(nameKey(namespace, name))
  return row && asName(row)
}

/** Free a name, if that actor still has it. A lost race means that somebody else released it. */
export async function releaseName(
  storage: Storage,
  { namespace, name }: ActorName,
  actorId: string,
): Promise<void> {
  await decideDelete(storage, nameKey(namespace, name), { fields: { actorId } })
}

export const asName = (row: Row): NameRow => readRow(row, NAME)
