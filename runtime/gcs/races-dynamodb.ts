// Conditions of DynamoDB that did not hold: who won, in the terms of the port. Pure.
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { unknownWrite } from './attempts.ts'
import { fromItem, judge, type Item } from './items-dynamodb.ts'
import type { TransactItem } from './storage.ts'

/** A condition failed; Item is the row in the way, if there is one. */
export interface LostRace extends Error {
  readonly Item?: Record<string, AttributeValue>
}

export const isLostRace = (error: unknown): error is LostRace =>
  error instanceof Error && error.name === 'ConditionalCheckFailedException'

/** The only refusal that is told by its text: DynamoDB has no name of its own for it. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === 'ValidationException' &&
  /item size.*exceeded/i.test(error.message)

interface Reason {
  readonly Code?: string
  readonly Item?: Item
}

interface Attempted {
  readonly items: readonly TransactItem[]
  /** What the transaction leaves in each row it writes. */
  readonly token: string
  readonly unsure: boolean
}

/**
 * What a cancelled transaction means.
 * @returns true: it had been applied by an earlier attempt. False: a condition did not hold.
 * @throws `error` itself when it is no lost race, GcsWriteUnknownError when nobody can tell yet.
 */
export function judgeTransaction({ items, token, unsure }: Attempted, error: unknown): boolean {
  const reasons = (error as { CancellationReasons?: readonly Reason[] }).CancellationReasons ?? []
  const verdicts = items.flatMap((item, index) => {
    const reason = reasons[index]
    if (reason?.Code !== 'ConditionalCheckFailed') return []
    const current = reason.Item && fromItem(item.key.table, reason.Item)
    return [judge({ expected: item.expected, current, token, unsure })]
  })
  if (verdicts.length === 0) throw error
  if (verdicts.includes('OWN')) return true
  // DC3: an attempt that was given up may be executed yet, should the condition hold once more.
  if (verdicts.includes('LOST') && !unsure) return false
  throw unknownWrite(`a transaction of ${String(items.length)} rows`, error)
}
