// How the stored results of this process can be made again: the specs of their tasks, kept while a
// result, or what was made of it, is referenced. A result that rode back in its reply needs none.
//   a task ends with a stored result ─ keep ─► kept ─ released, and no other needs it ─► dropped
// Invariants:
//   LG1. A spec is kept as long as a stored result of its task is referenced, or a kept spec needs
//        one; not longer.
//   LG2. At most `bytesMax` of specs: the oldest go first, and what only they could make is lost
//        with its last copy.
//   LG3. What a kept spec needs and nobody can make again (what was put, small values behind refs)
//        is held in its place, where nodes may be lost; what can be made again is not.
// Source: Ray task_manager.cc (lineage pinning, max_lineage_bytes), reference_count.h (OutOfScope).
import { taskIdOfObject, type ObjectId, type TaskId } from '../common/ids.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { References } from './references.ts'
import type { StreamState } from './streams.ts'
import { taskSpecOf, type TaskSpec } from './task-spec.ts'
import type { TaskKind } from './task-kind.ts'
import { DONE, type TaskRecord } from './task-record.ts'

/** What a spec takes besides its arguments, about: the bookkeeping of lineage counts too. */
const SPEC_BYTES = 512
const DEPENDENCY_BYTES = 128

/** One task whose stored results are referenced. */
export interface KeptTask {
  readonly taskId: TaskId
  /** Undefined: it may not be run again, or was dropped (LG2). */
  spec: TaskSpec | undefined
  /** Of a stream that goes on, its run; of what was made again, the last one. */
  run: TaskRecord | undefined
  /** As people know the task. */
  readonly name: string
  readonly isActorCall: boolean
  readonly maxRetries: number
  /** Its referenced stored results. */
  readonly live: Set<ObjectId>
  /** How many kept specs need a result of it. */
  dependentCount: number
  needs: readonly KeptTask[]
  held: readonly ObjectEntry[]
  sizeBytes: number
}

export interface LineageOptions {
  readonly references: References
  /** LG2. */
  readonly bytesMax: number
  /** LG3. */
  readonly nodesMayBeLost: boolean
}

export class Lineage {
  readonly #options: LineageOptions
  /** LG1 and LG2 bound it. In the order in which they were kept first. */
  readonly #kept = new Map<TaskId, KeptTask>()
  #sizeBytes = 0

  constructor(options: LineageOptions) {
    this.#options = options
  }

  /** A task ends, and these results of it lie in a store; to be called while it has its arguments. */
  keep(record: TaskRecord, results: readonly ObjectId[]): void {
    const [first] = results
    if (first === undefined) return
    const taskId = taskIdOfObject(first)
    const known = this.#kept.get(taskId)
    const kept = known ?? this.#add(taskId, record.kind, specIfAllowed(record, this.#options))
    for (const objectId of results) kept.live.add(objectId)
    if (record.stream !== undefined) goesOn(kept, record, record.stream)
    if (known?.spec === undefined) return
    known.spec.attempt = record.attempt
    known.spec.retriesLeft = record.retriesLeft
  }

  /** What is known of the task of an object. */
  find(objectId: ObjectId): KeptTask | undefined {
    return this.#kept.get(taskIdOfObject(objectId))
  }

  /** Somebody refers to a result again whose last handle had gone. */
  revived(objectId: ObjectId): void {
    this.find(objectId)?.live.add(objectId)
  }

  /** Nobody refers to a stored object any more, or its value is not in a store any more. */
  released(objectId: ObjectId): void {
    const kept = this.find(objectId)
    if (kept === undefined) return
    kept.live.delete(objectId)
    this.#dropUnneeded([kept])
  }

  counts(): { readonly specs: number; readonly sizeBytes: number } {
    return { specs: this.#kept.size, sizeBytes: this.#sizeBytes }
  }

  #add(taskId: TaskId, kind: TaskKind, spec: TaskSpec | undefined): KeptTask {
    const kept: KeptTask = {
      ...{ taskId, spec, run: undefined, name: kind.name, isActorCall: kind.kind === 'actor' },
      ...{ maxRetries: kind.maxRetries, live: new Set(), dependentCount: 0 },
      ...{ needs: [], held: [], sizeBytes: SPEC_BYTES },
    }
    if (spec !== undefined) this.#hold(kept, spec)
    this.#kept.set(taskId, kept)
    this.#sizeBytes += kept.sizeBytes
    this.#makeRoom()
    return kept
  }

  #hold(kept: KeptTask, spec: TaskSpec): void {
    const { references, nodesMayBeLost } = this.#options
    const needs: KeptTask[] = []
    const held: ObjectEntry[] = []
    for (const { objectId, ownerAddress } of spec.dependencies) {
      if (ownerAddress !== undefined) continue
      const before = this.find(objectId)
      if (before !== undefined) needs.push(before)
      const entry = before?.spec === undefined ? references.find(objectId) : undefined
      if (entry !== undefined && nodesMayBeLost) held.push(entry)
    }
    for (const before of needs) before.dependentCount += 1
    references.use(held, 1)
    kept.needs = needs
    kept.held = held
    kept.sizeBytes += spec.args.length + spec.dependencies.length * DEPENDENCY_BYTES
  }

  /** LG2. */
  #makeRoom(): void {
    for (const kept of this.#kept.values()) {
      if (this.#sizeBytes <= this.#options.bytesMax) return
      this.#dropUnneeded([...this.#drop(kept)])
    }
  }

  /** LG1. Chains of them may be as long as a program runs: no recursion. */
  #dropUnneeded(candidates: KeptTask[]): void {
    for (let kept = candidates.pop(); kept !== undefined; kept = candidates.pop()) {
      if (kept.live.size > 0 || kept.dependentCount > 0) continue
      if (this.#kept.get(kept.taskId) === kept) candidates.push(...this.#drop(kept))
    }
  }

  /** @returns what it needed, and does not any more. */
  #drop(kept: KeptTask): readonly KeptTask[] {
    const { needs, held } = kept
    this.#kept.delete(kept.taskId)
    this.#sizeBytes -= kept.sizeBytes
    kept.spec = undefined
    kept.needs = []
    kept.held = []
    for (const before of needs) before.dependentCount -= 1
    this.#options.references.use(held, -1)
    return needs
  }
}

/** Not longer than it does: what nobody has read of it would be held as well. */
function goesOn(kept: KeptTask, run: TaskRecord, stream: StreamState): void {
  if (kept.run !== undefined && kept.run.phase !== DONE) return
  kept.run = run
  stream.onEnd = () => {
    if (kept.run === run) kept.run = undefined
  }
}

const specIfAllowed = (record: TaskRecord, { references }: LineageOptions): TaskSpec | undefined =>
  record.kind.maxRetries === 0 ? undefined : taskSpecOf(record, references)
