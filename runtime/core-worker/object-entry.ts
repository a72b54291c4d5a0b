// What one process knows of one object: pending, here, in the node's store, or failed.
// An entry is shared by every ObjectRef of the object in this process and by the tasks that wait
// for it; when nobody holds it any more the collector takes it, and with it the small value inside.
//   PENDING ─1─► VALUE | BLOB | STORED | FAILED
//      ▲───────────2──────────────┘
//   1. completed, once; later completions are ignored   2. no copy is left: recovery.ts
// Invariants:
//   OE1. An entry completes once, and again once it was lost; waiters run once, in the order they
//   came.
//   OE2. A VALUE is immutable (a primitive); everything else is kept encoded and decoded per get.
import type { ObjectId } from '../common/ids.ts'
import type { Scope } from './scope.ts'
import type { TaskRecord } from './task-record.ts'

const PENDING = 0
export const VALUE = 1
export const BLOB = 2
export const STORED = 3
export const FAILED = 4

export interface StoredAt {
  readonly objectId: ObjectId
  readonly sizeBytes: number
  /** Whose store it was put into, in hex, where there are several nodes and that was told. */
  readonly nodeId?: string
}

export type Waiter = (entry: ObjectEntry) => void

export class ObjectEntry {
  state = PENDING
  /** By state: the primitive, the blob, StoredAt, or the Error. */
  value: unknown = undefined
  /** Who made it: scope and index among the scope's submissions; the id is derived from them.
   *  A negative returnIndex marks a put: its index counts the scope's puts. */
  readonly scope: Scope | undefined
  readonly index: number
  readonly returnIndex: number
  /** The task that makes it, while it is pending. */
  task: TaskRecord | undefined
  /** Set once somebody asked for the id, or when the entry came with one. */
  id: ObjectId | undefined
  /** Refs of this process on which free() was not called; collected ones stay counted. */
  handles = 0
  /** Pending tasks, values and messages that need the object, whatever the handles do. */
  uses = 0
  /** Set for entries known to other processes or to the store. */
  sharing: Sharing | undefined
  /** The last wait() that looked at it: get.ts. */
  waitMark = 0
  #waiters: Waiter[] | undefined

  constructor(scope: Scope | undefined, index: number, returnIndex: number) {
    this.scope = scope
    this.index = index
    this.returnIndex = returnIndex
  }

  get pending(): boolean {
    return this.state === PENDING
  }

  /** Somebody waits for it to be complete, or to be told what it is. */
  get isAwaited(): boolean {
    return this.#waiters !== undefined && this.#waiters.length > 0
  }

  complete(state: number, value: unknown): boolean {
    if (this.state !== PENDING) return false
    this.state = state
    this.value = value
    this.task = undefined
    const waiters = this.#waiters
    if (waiters === undefined) return true
    this.#waiters = undefined
    for (const waiter of waiters) waiter(this)
    return true
  }

  /** No copy of what was stored can be read: it is awaited again. Its place stays, in case one is
   *  found after all. */
  lose(): void {
    if (this.state !== STORED) return
    this.state = PENDING
    if (this.sharing !== undefined) this.sharing.wasLost = true
  }

  /** Calls `waiter` when complete; at once when it already is. */
  whenComplete(waiter: Waiter): void {
    if (this.state !== PENDING) waiter(this)
    else if (this.#waiters === undefined) this.#waiters = [waiter]
    else this.#waiters.push(waiter)
  }

  forgetWaiter(waiter: Waiter): void {
    const at = this.#waiters?.indexOf(waiter) ?? -1
    if (at >= 0) this.#waiters?.splice(at, 1)
  }
}

/** What is counted once an object is known outside this process: see references.ts. */
export interface Sharing {
  /** Where its owner listens; undefined = this process owns it. */
  ownerAddress: string | undefined
  /** What its ref brought along for the time when that owner is gone: ref-lineage.ts. */
  readonly lineage: Uint8Array | undefined
  /** Registrations by other processes. */
  borrowerCount: number
  /** Entries of the refs and handles inside the value, held as long as the value is. */
  contained: readonly ObjectEntry[]
  /** It was stored, and could not be read: what is damaged of it may lie there yet. */
  wasLost: boolean
  freed: boolean
}
