// Names of actors: one row per name, which says who has it and is released by its holder alone.
//   NM1. A name of which a claim was in doubt leaves a row when it is released, for a day: a late
//       claim finds it there and is refused (DC3). Who claims next replaces that row.
import { GcsUnavailableError } from '../common/errors.ts'
import { amount, count, text } from '../common/shape.ts'
import { decideDelete, decidePut, leaveMark } from './decide.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, RowValue, Storage } from './storage.ts'
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

/** NM1: what a name's row says that nobody has. */
const FREE = ''
const TRIES_MAX = 5

/**
 * Take a name, unless somebody has it.
 * @param inDoubt  told that the claim may be executed late, whatever it ends with: whoever releases
 *   that name from then on is to keep its row.
 * @returns the row in the way, or undefined when the name is ours now. Repeating it with the same
 *   actorId finds our own row and counts as won: a write whose answer was lost does no harm.
 */
export async function claimName(
  storage: Storage,
  { namespace, name }: ActorName,
  row: NameRow,
  inDoubt = (): void => undefined,
): Promise<NameRow | undefined> {
  let expected: 'ABSENT' | number = 'ABSENT'
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const outcome = await decidePut(storage, {
      key: nameKey(namespace, name),
      value: { ...row },
      ...{ expected, inDoubt },
      isOurs: (value) => value['actorId'] === row.actorId,
    })
    if (outcome.won) return undefined
    const { current } = outcome
    if (current !== undefined && !isFree(current)) return asName(current)
    expected = current?.version ?? 'ABSENT'
  }
  throw new GcsUnavailableError(`the name '${name}' changes hands: try again`)
}

export async function findName(
  storage: Storage,
  { namespace, name }: ActorName,
): Promise<NameRow | undefined> {
  const row = await storage.get(nameKey(namespace, name))
  return row === undefined || isFree(row) ? undefined : asName(row)
}

/** Free a name, if that actor still has it. A lost race means that somebody else released it. */
export async function releaseName(
  storage: Storage,
  { namespace, name }: ActorName,
  actorId: string,
): Promise<void> {
  await decideDelete(storage, nameKey(namespace, name), { fields: { actorId } })
}

/** NM1: the same, of a name of which a claim was in doubt. @param nowMs  wall time. */
export async function releaseDoubtedName(
  storage: Storage,
  { namespace, name }: ActorName,
  { actorId, nowMs }: { readonly actorId: string; readonly nowMs: number },
): Promise<void> {
  const released = {
    ...{
      key: nameKey(namespace, name),
      mark: { actorId: FREE },
      expected: { fields: { actorId } },
    },
    isMark: (value: RowValue) => value['actorId'] === FREE,
  }
  await leaveMark(storage, released, nowMs)
}

/** Whether a name's row is there only for late claims to find. */
export const isFree = ({ value }: Row): boolean => value['actorId'] === FREE

export const asName = (row: Row): NameRow => readRow(row, NAME)
