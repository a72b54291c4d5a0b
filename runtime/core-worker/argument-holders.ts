// Which node holds most bytes of a task's large arguments: what it is placed by (D126). Noted when
// the arguments are in; only where there are several nodes, and only for tasks that name some. Who
// ran such a task has copies of them from then on, of which its reply tells enough (D146), and so
// has who read one by `get`: this process, or one that has asked it for that (D170).
// Invariants:
//   LH1. A copy is a guess: it may have been dropped for room since. At most COPIES_MAX nodes are
//        known of an object, those that read it last; none once it is made again.
// Source: Ray lease_policy.cc (LocalityAwareLeasePolicy).
import type { Argument } from './arguments.ts'
import { STORED, type StoredAt } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'

/** Less than this comes over in the time that a lease of its own takes to get, some ms. */
export const HELD_BYTES_MIN = 1024 * 1024
/** LH1. */
export const COPIES_MAX = 4

interface Noted {
  /** The node that the task is placed by, in hex. */
  readonly holder: string | undefined
  readonly stored: readonly StoredAt[]
}

export class ArgumentHolders {
  /** This node, in hex. */
  readonly #here: string
  readonly #byRecord = new WeakMap<TaskRecord, Noted>()
  /** By what is stored, as its entry has it: nodes that have read it since. */
  readonly #copies = new WeakMap<StoredAt, string[]>()

  constructor(here: string) {
    this.#here = here
  }

  /** To be called whenever all of them are complete, or are so again. */
  note(record: TaskRecord, parts: readonly Argument[]): void {
    const stored = storedOf(parts)
    if (stored.length === 0) {
      this.#byRecord.delete(record)
      return
    }
    const isPlaced = record.kind.scheduling?.strategy.kind === 'DEFAULT'
    this.#byRecord.set(record, { holder: isPlaced ? this.#holderOf(stored) : undefined, stored })
  }

  of(record: TaskRecord): string | undefined {
    return record.holds === undefined ? undefined : this.#byRecord.get(record)?.holder
  }

  /** That task has ended at a node, in hex, and so had its arguments there. */
  readAt(record: TaskRecord, nodeId: string): void {
    for (const stored of this.#byRecord.get(record)?.stored ?? []) this.gotAt(stored, nodeId)
  }

  /** A process of that node, in hex, has read it, or is about to. Default: this process. */
  gotAt(stored: StoredAt, nodeId = this.#here): void {
    if (nodeId === (stored.nodeId ?? this.#here)) return
    const copies = this.#copies.get(stored) ?? []
    if (copies.at(-1) === nodeId) return // a loop of gets
    const others = copies.filter((each) => each !== nodeId).slice(1 - COPIES_MAX)
    this.#copies.set(stored, [...others, nodeId])
  }

  /** The node that holds the most, and no less than HELD_BYTES_MIN; of equals the first named, and
   *  who made it before who has a copy. */
  #holderOf(parts: readonly StoredAt[]): string | undefined {
    const heldBytes = new Map<string, number>()
    const add = (nodeId: string, sizeBytes: number): void => {
      heldBytes.set(nodeId, (heldBytes.get(nodeId) ?? 0) + sizeBytes)
    }
    for (const { nodeId = this.#here, sizeBytes } of parts) add(nodeId, sizeBytes)
    for (const part of parts) {
      for (const nodeId of this.#copies.get(part) ?? []) add(nodeId, part.sizeBytes)
    }
    let most: string | undefined
    let mostBytes = HELD_BYTES_MIN - 1
    for (const [nodeId, sizeBytes] of heldBytes) {
      if (sizeBytes <= mostBytes) continue
      most = nodeId
      mostBytes = sizeBytes
    }
    return most
  }
}

function storedOf(parts: readonly Argument[]): StoredAt[] {
  const stored: StoredAt[] = []
  for (const part of parts) {
    if (part.kind === 'entry' && part.entry.state === STORED) {
      stored.push(part.entry.value as StoredAt)
    }
  }
  return stored
}
