// Events and effects of limiters that are counted over all nodes.
// Part of the vocabulary of turn.ts.
import type { LimiterCall, LimiterCalls } from './limiter-messages.ts'

export type LimiterEvent =
  | {
      readonly kind: 'tokensAsked'
      /** Hex. */
      readonly from: string
      readonly request: number
      readonly type: LimiterCall
      readonly message: LimiterCalls[LimiterCall][0]
    }
  /** What came of the effect askTokens; without an answer the node could not be asked. */
  | {
      readonly kind: 'tokensAnswered'
      readonly nodeId: string
      readonly type: LimiterCall
      readonly message: LimiterCalls[LimiterCall][0]
      readonly answer: LimiterCalls[LimiterCall][1] | undefined
    }

/** `nodeId`: this node itself too, while it is the keeper. */
export interface LimiterEffect {
  readonly kind: 'askTokens'
  readonly nodeId: string
  readonly type: LimiterCall
  readonly message: LimiterCalls[LimiterCall][0]
}
