// Events and effects of tasks that wait for those of other nodes.
// Part of the vocabulary of turn.ts.
import type { AnsweredByNode, AskedByNode, AskOfNode } from '../cluster/brain-peer-events.ts'
import type { WaitCalls } from './wait-messages.ts'

export type WaitEvent =
  | AskedByNode<'waitsAsked', WaitCalls>
  | AnsweredByNode<'waitsAnswered', WaitCalls>

export type WaitEffect = AskOfNode<'askWaits', WaitCalls>
