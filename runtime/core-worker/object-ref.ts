// ObjectRef: the user's handle to a future value. Not thenable, on purpose: it could not be
// returned from an async function. Its entry is reached through functions of this file only.
import { ObjectFreedError, UsageError } from '../common/errors.ts'
import { toHex, type ObjectId } from '../common/ids.ts'
import { ObjectRef } from '../common/surface.ts'
import type { ObjectEntry } from './object-entry.ts'

export interface RefHooks {
  idOf(entry: ObjectEntry): ObjectId
  freed(entry: ObjectEntry): void
}

let openEntry: (ref: OwnedRef) => ObjectEntry | undefined

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

  toJSON(): never {
    throw new UsageError(
      'an ObjectRef cannot be written as JSON: get() its value, or pass the ref itself to a task',
    )
  }

  get [Symbol.toStringTag](): string {
    return 'ObjectRef'
  }
}

export function refOf(entry: ObjectEntry, hooks: RefHooks): ObjectRef {
  if (entry.sharing !== undefined) entry.sharing.handles += 1
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

export type { ObjectRef }

export const isObjectRef = (value: unknown): value is ObjectRef => value instanceof ObjectRef
