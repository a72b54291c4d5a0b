// Which node holds most bytes of a task's large arguments: what it is placed by (D126). Noted when
// the arguments are in; only where there are several nodes, and only for tasks that name some.
// Source: Ray lease_policy.cc (LocalityAwareLeasePolicy).
import type { Argument } from './arguments.ts'
import { STORED, type StoredAt } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'

/** Less than this comes over in the time that a lease of its own takes to get, some ms. */
export const HELD_BYTES_MIN = 1024 * 1024

export class ArgumentHolders {
  /** This node, in hex. */
  readonly #here: string
  readonly #byRecord = new WeakMap<TaskRecord, string>()

  constructor(here: string) {
    this.#here = here
  }

  /** To be called whenever all of them are complete, or are so again. */
  note(record: TaskRecord, parts: readonly Argument[]): void {
    if (record.kind.scheduling?.strategy.kind !== 'DEFAULT') return
    const holder = holderOf(parts, this.#here)
    if (holder === undefined) this.#byRecord.delete(record)
    else this.#byRecord.set(record, holder)
  }

  of(record: TaskRecord): string | undefined {
    return record.holds === undefined ? undefined : this.#byRecord.get(record)
  }
}

/**
 * The node that holds the most of them, and no less than HELD_BYTES_MIN; of equals the first named.
 * @param here  the node of what is stored without one.
 */
export function holderOf(parts: readonly Argument[], here: string): string | undefined {
  const heldBytes = new Map<string, number>()
  let most: string | undefined
  let mostBytes = HELD_BYTES_MIN - 1
  for (const part of parts) {
    if (part.kind !== 'entry' || part.entry.state !== STORED) continue
    const { sizeBytes, nodeId = here } = part.entry.value as StoredAt
    heldBytes.set(nodeId, (heldBytes.get(nodeId) ?? 0) + sizeBytes)
  }
  for (const [nodeId, sizeBytes] of heldBytes) {
    if (sizeBytes <= mostBytes) continue
    most = nodeId
    mostBytes = sizeBytes
  }
  return most
}
