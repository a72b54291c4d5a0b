// A decision: a conditional write whose outcome is certain in the end, also when its answer was
// lost. Every decision row holds who decided (holder, epoch, incarnation), so it can be recognised
// by reading it again.
//   DC1. A write that may have been applied is repeated only while its condition still holds: a
//       late arrival of the first one then either did the same or fails.
//   DC2. A write whose outcome cannot be read is in doubt: never told as not written.
//   DC3. A write in doubt may be executed seconds after all was settled: an attempt that was given
//       up is still under way. Its condition refuses it, unless that holds once more, as ABSENT
//       does after a delete: who may delete such a row is told, and leaves another in its place.
// Source: faults.md F30; Amazon KCL (a lease is read back after an ambiguous write).
import { GcsWriteUnknownError } from '../common/errors.ts'
import { isOutage, unknownWrite } from './attempts.ts'
import {
  holds,
  keyText,
  type Expected,
  type Holding,
  type Present,
  type Row,
  type RowKey,
  type RowValue,
  type Storage,
  type TransactItem,
  type WriteOutcome,
} from './storage.ts'

const REPEATS_MAX = 5
/**
 * Of a mark. AWS refuses what was signed minutes ago (Signature Version 4), the GCS on a node what
 * comes over a connection that was given up; the rest is for clocks that are wrong. Where it is too
 * short, a row may come back by a write that is executed late.
 */
const MARK_KEPT_MS = 24 * 3_600_000

interface Decision {
  readonly key: RowKey
  /** Whether a row says what this decision would have it say: by holder or token. */
  readonly isOurs: (value: RowValue) => boolean
  /** DC3: an attempt at it may come late, however it ends. */
  readonly inDoubt?: () => void
}

/** A row written whole, if it is as expected. */
export async function decidePut(
  storage: Storage,
  decision: Decision & { readonly value: RowValue; readonly expected: 'ABSENT' | number },
): Promise<WriteOutcome> {
  const { key, value, expected } = decision
  return await settle(storage, decision, () => storage.putIf(key, value, expected))
}

/** Fields of a row, set if it is as expected. */
export async function decideUpdate(
  storage: Storage,
  decision: Decision & { readonly fields: RowValue; readonly expected: Present },
): Promise<WriteOutcome> {
  const { key, fields, expected } = decision
  return await settle(storage, decision, () => storage.update(key, fields, expected))
}

/** Several rows at once; `key` is the one that tells whose decision it was. */
export async function decideTogether(
  storage: Storage,
  decision: Decision & { readonly items: readonly TransactItem[] },
): Promise<WriteOutcome> {
  const { key, items } = decision
  const told = items.find((item) => keyText(item.key) === keyText(key))
  const settling = { ...decision, expected: told?.expected ?? 'ABSENT' }
  return await settle(storage, settling, async () => {
    const applied = await storage.transact(items)
    const unread = (cause: unknown): unknown => unknownWrite('a transaction', cause)
    const row = await (applied ? readAfter(storage, key, unread) : storage.get(key))
    if (row !== undefined && (applied || decision.isOurs(row.value))) return { won: true, row }
    return { won: false, current: row }
  })
}

/**
 * DC3: what is left in place of a row, for late writes to find; it may be dropped in the end.
 * @param nowMs  wall time.
 */
export async function leaveMark(
  storage: Storage,
  { key, mark, expected, isMark, keptMs = MARK_KEPT_MS }: Mark,
  nowMs: number,
): Promise<WriteOutcome> {
  const expiresAtMs = nowMs + keptMs
  const item: TransactItem =
    expected === 'ABSENT'
      ? { kind: 'putIf', key, value: mark, expected, expiresAtMs }
      : { kind: 'update', key, fields: mark, expected, expiresAtMs }
  return await decideTogether(storage, { key, items: [item], isOurs: isMark })
}

interface Mark {
  readonly key: RowKey
  /** The whole row where there is none, else what is set in it. */
  readonly mark: RowValue
  readonly expected: 'ABSENT' | Holding
  readonly isMark: (value: RowValue) => boolean
  /** At least so long; default: a day. */
  readonly keptMs?: number
}

/** Delete a row if it is as expected. One that is gone or has changed is left as it is. */
export async function decideDelete(
  storage: Storage,
  key: RowKey,
  expected: Present,
): Promise<void> {
  for (let repeats = 0; ; repeats++) {
    try {
      await storage.delete(key, expected)
      return
    } catch (error) {
      if (!(error instanceof GcsWriteUnknownError) || repeats >= REPEATS_MAX) throw error
      if (!holds(await readAfter(storage, key, () => error), expected)) return
    }
  }
}

async function settle(
  storage: Storage,
  decision: Decision & { readonly expected: Expected },
  write: () => Promise<WriteOutcome>,
): Promise<WriteOutcome> {
  const { key, expected, isOurs, inDoubt } = decision
  for (let repeats = 0; ; repeats++) {
    try {
      const outcome = await write()
      return asOurs(outcome, isOurs)
    } catch (error) {
      if (!(error instanceof GcsWriteUnknownError)) throw error
      inDoubt?.()
      if (repeats >= REPEATS_MAX) throw error
      const row = await readAfter(storage, key, () => error)
      if (!holds(row, expected)) return asOurs({ won: false, current: row }, isOurs) // DC1
    }
  }
}

/** DC2. @param unread  what to tell when the GCS is away. */
async function readAfter(
  storage: Storage,
  key: RowKey,
  unread: (cause: unknown) => unknown,
): Promise<Row | undefined> {
  try {
    return await storage.get(key)
  } catch (error) {
    throw isOutage(error) ? unread(error) : error
  }
}

/** A row in the way that says what we wanted is ours: an earlier try whose answer was lost. */
function asOurs(outcome: WriteOutcome, isOurs: (value: RowValue) => boolean): WriteOutcome {
  if (outcome.won || outcome.current === undefined) return outcome
  const row: Row = outcome.current
  return isOurs(row.value) ? { won: true, row } : outcome
}
