// The messages between core-workers, as types: what an owner pushes beside its tasks, what comes
// back beside the replies, and what borrowers ask an owner. Hot messages (push, reply) are segments
// of their own: see task-frames.ts.
import type { WireError } from '../common/error-wire.ts'
import type { ActorId, JobId, ObjectId, WorkerId } from '../common/ids.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { FunctionIdentity } from './actor-messages.ts'
import type { WireStrategy } from './messages.ts'

/** An object as its owner or a borrower describes it to a peer. */
export type Resolution =
  | { readonly kind: 'inline'; readonly blob: Uint8Array }
  | {
      readonly kind: 'stored'
      readonly objectId: ObjectId
      readonly sizeBytes: number
      readonly nodeId?: string
    }
  | { readonly kind: 'failed'; readonly blob: Uint8Array }

export interface PeerCalls {
  peerHello: [{ workerId: WorkerId; address: string; jobId: JobId }, { workerId: WorkerId }]
  /** Answered when the object is complete. `lost`: why the asker could not read what it was told of
   *  it before. `reads`: it is read where it was asked for. */
  getObject: [{ objectId: ObjectId; lost?: WireError; reads?: boolean }, Resolution]
  /** `times`: the connection over which it was registered before was lost; how often it counts. */
  borrow: [{ objectId: ObjectId; times?: number }, undefined]
  /** The process at `address` has them, and could not say so itself. Answered once it has. */
  borrowFor: [{ objectIds: readonly ObjectId[]; address: string }, undefined]
  /** Its owner asks a borrower. Answered when all that it holds of the owner at `address` is
   *  registered at a connection that is open. */
  registerAgain: [{ address: string }, undefined]
  /** Answered after all replies that were sent by then. */
  flush: [object, undefined]
  /** The receiver has adopted the owner of that object; it takes the sender as a borrower of it. */
  adoptObject: [{ objectId: ObjectId; lineage: Uint8Array }, undefined]
  /** By an owner that leaves: the receiver owns these from now on, and takes the sender as a
   *  borrower of them. Answered with whether it does, once what is inside them is registered.
   *  `owner`: in hex; `address`: where it listens. */
  inherit: [{ owner: string; address: string; objects: readonly Inherited[] }, boolean]
  /** The owner of these is at `to` now. Answered when the receiver is registered there. */
  ownerMoved: [{ from: string; to: string; objectIds: readonly ObjectId[] }, undefined]
}

/** An object whose owner leaves. */
export interface Inherited {
  /** ref-lineage.ts */
  readonly ref: Uint8Array
  readonly value: Resolution
  /** The refs inside what is stored. */
  readonly contained: readonly Uint8Array[]
}

/** Refs inside a value on its way, held by the sender until it hears handoffDone. */
export interface HandoffMessage {
  readonly id: number
  readonly refs: readonly Uint8Array[]
}

export interface PeerNotices {
  template: { slot: number; template: TaskTemplate }
  /** The worker is leased to the sender; before what is pushed under that lease. */
  leased: { gpuIds: readonly number[]; resources: ResourceSet }
  /** Give back what has not begun. */
  handBack: object
  handedBack: { seqs: readonly number[] }
  cancelTask: { seq: number; force: boolean; recursive: boolean; timedOut?: boolean }
  started: { seq: number }
  streamItem: {
    seq: number
    index: number
    blob?: Uint8Array
    stored?: { objectId: ObjectId; sizeBytes: number }
    handoff?: HandoffMessage
  }
  streamAck: { seq: number; consumed: number }
  release: { objectId: ObjectId }
  /** The sender has these, and could not tell their owners. Before it lets go of what holds them. */
  unheard: { refs: readonly { readonly objectId: ObjectId; readonly ownerAddress: string }[] }
  cancelObject: { objectId: ObjectId; force: boolean; recursive: boolean }
  /** The worker ends after what it runs now: its owner returns the lease. */
  retiring: object
  handoffDone: { handoffId: number }
  /** The sender was told that the receiver's node is lost, and closes this connection: it lives. */
  goesOn: object
  /** By an owner that ends once nobody holds anything of it: the receiver may hold garbage alone. */
  collectHandles: object
}

/** What all tasks of one kind share; sent once per connection. */
export interface TaskTemplate {
  readonly kind: 'task' | 'actor'
  readonly fn: FunctionIdentity
  readonly method?: string
  readonly actorId?: ActorId
  readonly name: string
  readonly jobId: JobId
  readonly numReturns: number
  readonly streaming: boolean
  readonly streamBufferSize: number
  readonly timeoutMs?: number
  readonly maxCalls?: number
  readonly concurrencyGroup?: string
  /** The limiter whose token the task holds while it runs. */
  readonly limit?: string
  /** Tells the owner when the task starts (tasks with a time-out). */
  readonly reportStart: boolean
  readonly resources: ResourceSet
  /** Where its own submissions run when they name no place: a group that captures child tasks. */
  readonly captured?: WireStrategy
  /** It works for a detached actor: what it makes outlives their driver. */
  readonly ofDetached?: boolean
}
