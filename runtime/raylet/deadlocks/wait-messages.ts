// What raylets say to each other about tasks that wait, as types and as shapes (pure). Who asks and
// who is asked: told-waits.ts, deadlock-detector.ts.
import type { ActorId, TaskId, WorkerId } from '../../common/ids.ts'
import {
  amount,
  count,
  flag,
  listOf,
  number,
  optional,
  recordOf,
  shape,
  text,
  type Fields,
} from '../../common/shape.ts'
import type { Waiting } from '../../protocol/messages.ts'
import { waitingShape } from '../message-schema.ts'

/** Never used again. */
export interface WaitKey {
  readonly client: WorkerId
  readonly waitId: number
}

/** A wait as the node of its process tells it: see Wait of state.ts. */
export interface ToldWait extends WaitKey {
  readonly taskId: TaskId
  readonly name: string
  readonly isDependency: boolean
  readonly on: readonly Waiting[]
  readonly need: number
  /** How long it has lasted. */
  readonly ageMs: number
  readonly actorId?: ActorId
  readonly group?: string
  /** With actorId: how many calls that actor runs at once, by group and where none is named. */
  readonly places?: { readonly others: number; readonly groups: Readonly<Record<string, number>> }
  /** The limiter whose token its task holds. */
  readonly limit?: string
  /** By name, of limiters that the awaited tasks need: how many may run at once. */
  readonly limits: Readonly<Record<string, number>>
}

export interface WaitsTold {
  /** Of this sender: what comes with a lower one is late. */
  readonly sequence: number
  /** These are all; else those that have come and gone since the message before. */
  readonly isFull: boolean
  readonly waits: readonly ToldWait[]
  readonly ended: readonly WaitKey[]
}

/** Requests: [message, reply]. Each may be asked again. */
export interface WaitCalls {
  /** To the detector. `resend`: it does not know what came before, and wants all. */
  tellWaits: [WaitsTold, { readonly resend: boolean }]
  /** By the detector: which of these still last, as their processes say within `limitMs`. */
  confirmWaits: [
    { readonly round: number; readonly limitMs: number; readonly waits: readonly WaitKey[] },
    { readonly confirmed: readonly ToldWait[]; readonly ended: readonly WaitKey[] },
  ]
  /** By the detector, to the node of the process whose wait is to fail. */
  tellDeadlock: [WaitKey & { readonly chain: readonly string[] }, object]
}

export type WaitCall = keyof WaitCalls

const key = { client: text, waitId: count }
const keys = listOf(shape(key))
const toldWait = shape({
  ...{ ...key, taskId: text, name: text, isDependency: flag, on: listOf(waitingShape) },
  ...{ need: count, ageMs: amount, actorId: optional(text), group: optional(text) },
  places: optional(shape({ others: number, groups: recordOf(number) })),
  ...{ limit: optional(text), limits: recordOf(number) },
})

export const WAIT_CALLS: Readonly<Record<WaitCall, Fields>> = {
  tellWaits: { sequence: count, isFull: flag, waits: listOf(toldWait), ended: keys },
  confirmWaits: { round: count, limitMs: amount, waits: keys },
  tellDeadlock: { ...key, chain: listOf(text) },
}

export const isWaitCall = (type: string): type is WaitCall => Object.hasOwn(WAIT_CALLS, type)

export const textOf = ({ client, waitId }: WaitKey): string => `${client}:${String(waitId)}`
