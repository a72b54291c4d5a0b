// The garbage collector of a simulated process, without a collector: user code of a simulation
// frees its refs by hand, so that what nobody counts is garbage. It is collected when the program
// lets go of an actor (whose handles are not counted), and at rest.
import type { Finalization, Weak } from '../../runtime/common/finalization.ts'
import { ObjectEntry } from '../../runtime/core-worker/object-entry.ts'

export class SimCollector implements Finalization {
  readonly #watched = new Map<object, (() => void)[]>()
  readonly #gone = new WeakSet<object>()

  watch(target: object, gone: () => void): void {
    this.#watched.set(target, [...(this.#watched.get(target) ?? []), gone])
  }

  forget(target: object): void {
    this.#watched.delete(target)
  }

  weak<T extends object>(target: T): Weak<T> {
    return { deref: () => (this.#gone.has(target) ? undefined : target) }
  }

  /** It may do nothing; what is garbage is told by drop() and sweep(). */
  collect(): void {
    return undefined
  }

  /** The program holds no handle of that actor any more. */
  drop(entry: ObjectEntry): void {
    if (isUnused(entry)) this.#collect(entry)
  }

  get watchedCount(): number {
    return this.#watched.size
  }

  /** At rest, when no program runs any more: whatever is not counted elsewhere is garbage. */
  sweep(): void {
    for (const target of [...this.#watched.keys()]) {
      if (!(target instanceof ObjectEntry)) continue
      target.handles = 0
      if (isUnused(target)) this.#collect(target)
    }
  }

  #collect(target: object): void {
    const told = this.#watched.get(target) ?? []
    this.#watched.delete(target)
    this.#gone.add(target)
    for (const gone of told) gone()
    // What only garbage refers to is garbage.
    const { contained = [] } = (target as Partial<ObjectEntry>).sharing ?? {}
    for (const each of contained) each.uses -= 1
  }
}

function isUnused({ handles, uses, pending, sharing, id }: ObjectEntry): boolean {
  if (handles > 0 || uses > 0) return false
  if (sharing === undefined) return !pending
  // A task of ours will complete it; of a borrowed one or an actor nobody would be told.
  const isAwaited = pending && sharing.ownerAddress === undefined && !isActor(id)
  return !isAwaited && sharing.borrowerCount === 0
}

const isActor = (id: string | undefined): boolean => id?.endsWith('\xff'.repeat(8)) === true
