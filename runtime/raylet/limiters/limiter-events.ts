// Events and effects of limiters that are counted over all nodes.
// Part of the vocabulary of turn.ts.
import type { AnsweredByNode, AskedByNode, AskOfNode } from '../cluster/brain-peer-events.ts'
import type { LimiterCalls } from './limiter-messages.ts'

export type LimiterEvent =
  | AskedByNode<'tokensAsked', LimiterCalls>
  | AnsweredByNode<'tokensAnswered', LimiterCalls>

export type LimiterEffect = AskOfNode<'askTokens', LimiterCalls>
