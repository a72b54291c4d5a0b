// What a raylet of several keeps for limiters over nodes: what it has asked the keeper for and, on
// the node that is the keeper, what all have told it.
import type { GivenNumbers, UnusedTokens } from './limiter-messages.ts'
import type { Limiter } from './token-bucket.ts'

export interface LimitersOfNodes {
  /** Hex; undefined until this node knows of the others. */
  keeper: string | undefined
  readonly asks: TokenAsks
  /** While this node is the keeper. */
  kept: Kept | undefined
}

export interface TokenAsks {
  sequence: number
  /** The next message is to have all. */
  isFull: boolean
  /** Names of limiters that stand otherwise than the keeper knows. */
  readonly changed: Set<string>
  /** The keeper is to be told without waiting for anything. */
  isUrgent: boolean
  /** Names of limiters of which more tokens are wanted here. */
  readonly wanting: Set<string>
  /** What the keeper has not confirmed, the oldest first; no more than tokens were out. */
  unused: readonly UnusedTokens[]
  /** The newest there was. */
  unusedId: number
  /** Requests whose answers are still taken, by their sequence, and what they told; two at most. */
  readonly open: Map<number, readonly string[]>
  retryAtMs: number
}

export interface Kept {
  /** Other living nodes, by their epochs. */
  members: ReadonlyMap<string, number>
  /** By hex id: those that have told what they hold, this one included. */
  readonly nodes: Map<string, NodeOfKeeper>
  /** Since when tokens are wanted, and some living node has not told. */
  waitsSinceMs: number | undefined
  /** When all had for the first time. */
  sinceMs: number | undefined
  /** When those that have not told are asked again. */
  askAtMs: number
  /** Their holders are nodes. */
  readonly limiters: Map<string, Limiter<string>>
}

export interface NodeOfKeeper {
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
  sequence: number
  /** The newest of its unused tokens that was heard. */
  unusedId: number
  readonly told: Map<string, { readonly wanted: number; readonly held: number }>
  /** Names of which it wants more. */
  readonly wanting: Set<string>
  /** By the request that was answered with them: tokens that `told` does not have yet. */
  readonly given: Map<number, Map<string, number>>
  /** Its request that has no answer yet. */
  parked: Parked | undefined
}

export interface Parked {
  readonly request: number
  readonly sequence: number
  readonly untilMs: number
  /** To be answered with whatever it is given. */
  readonly refused: readonly GivenNumbers[]
}

export const newLimitersOfNodes = (): LimitersOfNodes => ({
  keeper: undefined,
  asks: {
    ...{ sequence: 0, isFull: true, changed: new Set(), isUrgent: false, wanting: new Set() },
    ...{ unused: [], unusedId: 0, open: new Map(), retryAtMs: -Infinity },
  },
  kept: undefined,
})

export const newKept = (members: Kept['members']): Kept => ({
  ...{ members, nodes: new Map(), waitsSinceMs: undefined },
  ...{ sinceMs: undefined, askAtMs: -Infinity, limiters: new Map() },
})
