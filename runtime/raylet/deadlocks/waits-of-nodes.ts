// What a raylet of several keeps for deadlocks over nodes: what it has told the detector of its own
// waits and, on the node that is the detector, what all have told it.
import type { Wait } from '../state.ts'
import type { ToldWait, WaitKey } from './wait-messages.ts'

/** A wait of any node, as the detector has it. */
export type FarWait = Pick<
  Wait,
  'client' | 'waitId' | 'taskId' | 'actorId' | 'group' | 'limit' | 'name' | 'isDependency'
> &
  Pick<Wait, 'on' | 'need' | 'sinceMs'> & {
    readonly places: ToldWait['places'] | undefined
    readonly limits: ToldWait['limits']
    /** Hex. */
    readonly nodeId: string
    /** When its node was last told that it closes a ring. */
    toldAtMs: number
  }

export interface WaitsOfNodes {
  /** Hex; undefined until this node knows of others. */
  detector: string | undefined
  // As the node of processes that wait.
  /** By key: what the detector knows of this node; at most WAITS_TOLD_MAX. */
  readonly told: Map<string, WaitKey>
  /** The next message is to have all. */
  isFull: boolean
  /** One message at a time is on its way. */
  isTelling: boolean
  sequence: number
  tellAtMs: number | undefined
  /** Not told, as they are stuck by what is known here alone; newly made by every look. */
  stuckHere: ReadonlySet<Wait>
  /** Asked by the detector and not answered yet. */
  asked: Confirmation | undefined
  // As the detector.
  /** By node and key: at most WAITS_TOLD_MAX of each node. */
  readonly known: Map<string, KnownOfNode>
  lookAtMs: number | undefined
  lookedAtMs: number
  /** Before the next look after one that came to nothing. */
  pauseMs: number
  round: Round | undefined
  nextRound: number
}

export interface Confirmation {
  readonly request: number
  readonly keys: readonly WaitKey[]
  readonly untilMs: number
  /** Whose processes have not answered, by key. */
  readonly missing: Set<string>
  readonly confirmed: Set<Wait>
}

export interface KnownOfNode {
  sequence: number
  readonly waits: Map<string, FarWait>
}

/** All stuck waits are asked once, each by its node. */
export interface Round {
  readonly id: number
  readonly endsAtMs: number
  /** Nodes that have not answered. */
  readonly missing: Set<string>
  readonly confirmed: FarWait[]
}

export const newWaitsOfNodes = (): WaitsOfNodes => ({
  ...{ detector: undefined, told: new Map(), isFull: true, isTelling: false, sequence: 0 },
  ...{ tellAtMs: undefined, stuckHere: new Set(), asked: undefined },
  ...{ known: new Map(), lookAtMs: undefined, lookedAtMs: -Infinity, pauseMs: 0 },
  ...{ round: undefined, nextRound: 1 },
})
