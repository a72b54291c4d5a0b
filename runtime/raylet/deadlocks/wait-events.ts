// Events and effects of tasks that wait for those of other nodes.
// Part of the vocabulary of turn.ts.
import type { WaitCall, WaitCalls } from './wait-messages.ts'

export type WaitEvent =
  | {
      readonly kind: 'waitsAsked'
      /** Hex. */
      readonly from: string
      readonly request: number
      readonly type: WaitCall
      readonly message: WaitCalls[WaitCall][0]
    }
  /** What came of the effect askWaits; without an answer the node could not be asked. */
  | {
      readonly kind: 'waitsAnswered'
      readonly nodeId: string
      readonly type: WaitCall
      readonly message: WaitCalls[WaitCall][0]
      readonly answer: WaitCalls[WaitCall][1] | undefined
    }

/** `nodeId`: this node itself too, while it is the detector. */
export interface WaitEffect {
  readonly kind: 'askWaits'
  readonly nodeId: string
  readonly type: WaitCall
  readonly message: WaitCalls[WaitCall][0]
}
