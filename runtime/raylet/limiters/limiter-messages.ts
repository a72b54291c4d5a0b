// What raylets say to each other about tokens of limiters, as types and as shapes (pure). Who asks:
// token-asks.ts; who is asked: limiter-keeper.ts.
import {
  count,
  flag,
  listOf,
  number,
  optional,
  shape,
  text,
  type Fields,
} from '../../common/shape.ts'
import type { LimiterNumbers } from './token-bucket.ts'

/** Undefined: no limit of that kind. */
export interface GivenNumbers {
  readonly name: string
  readonly concurrency?: number
  readonly perSecond?: number
}

/** How a limiter stands on one node, in absolute numbers. */
export interface ToldLimiter extends GivenNumbers {
  readonly wanted: number
  readonly held: number
  /** A process of that node has used it, and lives. */
  readonly isUsed: boolean
}

/** Tokens that came back and had started nothing. */
export interface UnusedTokens {
  /** Of the sender, higher with each: told until it was heard, it counts once. */
  readonly id: number
  readonly name: string
  readonly count: number
}

export interface TokensAsked {
  /** Of the sender. */
  readonly epoch: number
  /** Of the sender's requests. */
  readonly sequence: number
  /** Those before it whose answers the sender still takes. */
  readonly open: readonly number[]
  /** These are all its limiters; else those that have changed since what was answered last. */
  readonly isFull: boolean
  readonly limiters: readonly ToldLimiter[]
  /** All that no answer has confirmed, the oldest first. */
  readonly unused: readonly UnusedTokens[]
}

export interface TokensGiven {
  /** The receiver is not the keeper, or has heard nothing of the sender yet: it is to tell all. */
  readonly tellAnew: boolean
  readonly granted: readonly { readonly name: string; readonly count: number }[]
  /** In use with these numbers. */
  readonly refused: readonly GivenNumbers[]
}

/** Requests: [message, reply]. */
export interface LimiterCalls {
  /** To the keeper, which keeps the answer until it has something to give. */
  askTokens: [TokensAsked, TokensGiven]
  /** By a new keeper: to be answered by an askTokens. */
  tellTokens: [object, object]
}

export type LimiterCall = keyof LimiterCalls

const given = { name: text, concurrency: optional(number), perSecond: optional(number) }
const told = shape({ ...given, wanted: count, held: count, isUsed: flag })
const unused = shape({ id: count, name: text, count })

export const LIMITER_CALLS: Readonly<Record<LimiterCall, Fields>> = {
  askTokens: {
    epoch: count,
    sequence: count,
    open: listOf(count),
    isFull: flag,
    limiters: listOf(told),
    unused: listOf(unused),
  },
  tellTokens: {},
}

export const isLimiterCall = (type: string): type is LimiterCall =>
  Object.hasOwn(LIMITER_CALLS, type)

export const numbersOf = ({ concurrency, perSecond }: GivenNumbers): LimiterNumbers => ({
  ...{ concurrency: concurrency ?? Infinity, perSecond: perSecond ?? Infinity },
})

export const givenOf = (
  name: string,
  { concurrency, perSecond }: LimiterNumbers,
): GivenNumbers => ({
  name,
  ...(concurrency === Infinity ? {} : { concurrency }),
  ...(perSecond === Infinity ? {} : { perSecond }),
})
