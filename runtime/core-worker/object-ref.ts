// ObjectRef: the user's handle to a future value. Not thenable, on purpose: it could not be
// returned from an async function. Its entry is reached through functions of this file only.
import { ForeignRefError, ObjectFreedError, UsageError } from '../common/errors.ts'
import { toHex, type JobId, type ObjectId } from '../common/ids.ts'
import { ObjectRef } from '../common/surface.ts'
import type { ObjectEntry } from './object-entry.ts'

export interface RefHooks {
  readonly jobId: JobId
  idOf(entry: ObjectEntry): ObjectId
  freed(entry: ObjectEntry): void
}

let openEntry: (ref: OwnedRef) => ObjectEntry | undefined
let jobOf: (ref: OwnedRef) => JobId
let isOwned: (value: object) => value is OwnedRef

class OwnedRef<out T = unknown> extends ObjectRef<T> {
  #entry: ObjectEntry | undefined
  readonly #hooks: RefHooks

  constructor(entry: ObjectEntry, hooks: RefHooks) {
    super()
    this.#entry = entry
    this.#hooks = hooks
  }

  static {
    openEntry = (ref) => ref.#entry
    jobOf = (ref) => ref.#hooks.jobId
    isOwned = (value): value is OwnedRef => #entry in value
  }

  /** The object's id in hex: 40 digits. */
  override get id(): string {
    return toHex(this.#hooks.idOf(entryOf(this)))
  }

  override toString(): string {
    return this.#entry === undefined ? 'ObjectRef(freed)' : `ObjectRef(${this.id})`
  }

  /** Drops this handle now instead of when it is collected. A get through it then fails. */
  override free(): void {
    const entry = this.#entry
    if (entry === undefined) return
    this.#entry = undefined
    this.#hooks.freed(entry)
  }

  override [Symbol.dispose](): void {
    this.free()
  }

  /** What console.log shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }

  toJSON(): never {
    throw new UsageError(
      'an ObjectRef cannot be written as JSON: get() its value, or pass the ref itself to a task',
    )
  }

  get [Symbol.toStringTag](): string {
    return 'ObjectRef'
  }
}

// Users know one class: this is how theirs is called in messages.
Object.defineProperty(OwnedRef, 'name', { value: 'ObjectRef' })

export function refOf(entry: ObjectEntry, hooks: RefHooks): ObjectRef {
  entry.handles += 1
  return new OwnedRef(entry, hooks)
}

/** @throws ObjectFreedError after free(). */
export function entryOf(ref: ObjectRef): ObjectEntry {
  const entry = openEntry(ref as OwnedRef)
  if (entry === undefined) {
    throw new ObjectFreedError(
      'free() was called on this ObjectRef; keep another handle to read it',
    )
  }
  return entry
}

/** @throws ForeignRefError for a ref of another job; ObjectFreedError. */
export function entryIn(ref: ObjectRef, { jobId }: RefHooks): ObjectEntry {
  if (jobOf(ref as OwnedRef) !== jobId) {
    throw new ForeignRefError(
      `${String(ref)} belongs to another job, of a cluster this process has left; refs do not ` +
        'outlive their cluster: pass the value itself',
      { data: { jobId: toHex(jobOf(ref as OwnedRef)), ownJobId: toHex(jobId) } },
    )
  }
  return entryOf(ref)
}

export type { ObjectRef }

/** Made by Virga: what only looks like a ref, such as a copy, is none. */
export const isObjectRef = (value: unknown): value is ObjectRef =>
  typeof value === 'object' && value !== null && isOwned(value)
