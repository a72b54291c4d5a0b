// Objects whose copies are gone: found after all, made again from their lineage, or told as lost.
//   a read fails ─ lost ─► awaited again ─► every living node is asked
//                                            ├─ one has it ──► complete, as it was
//                                            ├─ its task may run again ──► it does
//                                            └─ it may not ──► ObjectLostError, with why
// What such a task needs and is gone too is made along with it. Borrowers ask the owner.
// Invariants:
//   RV1. While an object is looked for or made again, whoever else misses it waits for the same.
//   RV2. A task runs again only once every living node has said that it has no copy of its result:
//        who does not answer is asked again until it does, or is dead, however long an outage of
//        the GCS keeps that from being known. So an id has one value.
//   RV3. Each such run uses up one of the task's maxRetries, unless it is for what a node took along
//        that was told to leave.
// Source: Ray object_recovery_manager.cc, task_manager.cc (ResubmitTask).
import {
  GcsUnavailableError,
  ObjectCorruptedError,
  ObjectLostError,
  ObjectNotFoundError,
  type VirgaError,
} from '../common/errors.ts'
import { delay } from '../common/clock.ts'
import { indexOfObject, objectIdOf, type ObjectId } from '../common/ids.ts'
import { OOM_RETRIES_MAX } from '../common/limits.ts'
import type { RayletCalls } from '../protocol/messages.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import type { CoreWorker } from './core-worker.ts'
import type { KeptTask } from './lineage.ts'
import { lostError, whyNotAgain, type WhyLost } from './lost-error.ts'
import { FAILED, STORED, type ObjectEntry, type StoredAt } from './object-entry.ts'
import { RemadeStream } from './remade-stream.ts'
import type { Missed } from './streams.ts'
import { DONE, TaskRecord } from './task-record.ts'
import type { Dependency, TaskSpec } from './task-spec.ts'

/** Between two looks for an object, while some node does not answer: doubled each time. */
const LOOK_AGAIN_MS = 500
const LOOK_AGAIN_MS_MAX = 4_000
/** Found, and yet not to be read: so often in a row, after pauses that double. */
const FOUND_TIMES_MAX = 8
const FOUND_PAUSE_MS = 50
/** The same where the bytes that are there are not what was written, or are missing. */
const DAMAGED_TIMES_MAX = 2
const FOUND_FORGET_MS = 60_000

/** An object that could not be read, and what its reader was told. */
interface Missing {
  readonly entry: ObjectEntry
  readonly error: VirgaError | undefined
  /** RV3. */
  readonly isCharged: boolean
}

type Looked = RayletCalls['locateObjects'][1]

export class Recovery {
  readonly #worker: CoreWorker
  /** Of this turn, not looked for yet. */
  #missing: Missing[] = []
  readonly #beside = new Set<ObjectEntry>()
  readonly #found = new WeakMap<ObjectEntry, { times: number; atMs: number }>()
  readonly #hasNodes: boolean

  constructor(worker: CoreWorker) {
    this.#worker = worker
    this.#hasNodes = nodeIdIn(worker.options.address) !== undefined
  }

  /**
   * A stored object could not be read.
   * @param beside  what the reader needs as well: it is looked for along with it.
   * @returns whether to wait for the entry, and read it then; false: the error stands.
   */
  lost(entry: ObjectEntry, error: unknown, beside: readonly ObjectEntry[] = []): boolean {
    if (entry.state !== STORED) return true // RV1
    if (!isLoss(error)) return false
    const ownerAddress = entry.sharing?.ownerAddress
    if (ownerAddress === undefined && !this.#mayReturn(entry)) return false
    this.#lose(entry)
    if (ownerAddress !== undefined) {
      this.#worker.values.recover(entry, ownerAddress, error)
      return true
    }
    this.#lookFor({ entry, error, isCharged: true })
    for (const each of beside) this.#beside.add(each)
    return true
  }

  #lose(entry: ObjectEntry): void {
    entry.lose()
    if (entry.id !== undefined) this.#worker.madeAt.notAlone(entry.id) // MA2
  }

  /** On one node there are no other copies. */
  #mayReturn(entry: ObjectEntry): boolean {
    return this.#hasNodes || this.#keptOf(entry)?.spec !== undefined
  }

  #keptOf(entry: ObjectEntry): KeptTask | undefined {
    return this.#worker.lineage.find(this.#worker.references.idOf(entry))
  }

  /** Once per turn: a hundred readers of a lost node ask once. */
  #lookFor(missed: Missing): void {
    this.#missing.push(missed)
    if (this.#missing.length > 1) return
    this.#worker.deps.clock.microtask(() => {
      const missing = this.#missing
      const known = new Set(missing.map(({ entry }) => entry))
      const beside = [...this.#beside].filter((entry) => !known.has(entry) && isOurs(entry))
      this.#missing = []
      this.#beside.clear()
      const all = [
        ...missing,
        ...beside.map((entry) => ({ entry, error: undefined, isCharged: true })),
      ]
      this.#recover(all).catch((error: unknown) => {
        for (const { entry } of missing) if (this.#isLost(entry)) entry.complete(FAILED, error)
      })
    })
  }

  async #recover(missing: readonly Missing[]): Promise<void> {
    const reruns: TaskRecord[] = []
    const { submitter, ends } = this.#worker
    try {
      for (let level = missing; level.length > 0;) {
        const needed = new Map<ObjectEntry, Missing>()
        for (const each of await this.#gone(level)) {
          const record = this.#again(each)
          if (record === undefined) continue
          reruns.push(record)
          const { isCharged } = each
          for (const entry of record.holds?.filter(isOurs) ?? [])
            needed.set(entry, { entry, error: undefined, isCharged })
        }
        level = [...needed.values()]
      }
    } catch (error) {
      for (const record of reruns) ends.fail(record, error as Error)
      throw error
    }
    for (const record of reruns) submitter.rerun(record)
  }

  /** In a store, or lost from it, and not being made. */
  #mayBeGone(entry: ObjectEntry): boolean {
    return entry.state === STORED || this.#isLost(entry)
  }

  /** Lost; its task does not run again yet, and it is not looked for elsewhere (AD5). */
  #isLost(entry: ObjectEntry): boolean {
    const { pending, task } = entry
    return pending && task === undefined && this.#worker.adoption?.isSeeking(entry) !== true
  }

  /** Those of which no node has a copy: they are awaited from now on. The others are complete. */
  async #gone(level: readonly Missing[]): Promise<readonly Missing[]> {
    const { clock } = this.#worker.deps
    const gone: Missing[] = []
    let asked = level
    for (let pauseMs = LOOK_AGAIN_MS; ; pauseMs = Math.min(2 * pauseMs, LOOK_AGAIN_MS_MAX)) {
      asked = asked.filter(({ entry }) => this.#mayBeGone(entry))
      if (asked.length === 0) return gone
      const wasLost = new Set(asked.filter(({ entry }) => entry.pending))
      const looked = await this.#locate(asked)
      asked = asked.filter((each) => each.entry.pending || !wasLost.has(each)) // made meanwhile
      const missing = this.#missingOf(asked, looked, gone)
      if (looked.silent.length === 0) {
        for (const each of missing) gone.push(this.#loseAs(each, looked))
        return gone
      }
      asked = missing.filter(({ entry }) => entry.pending) // RV2
      if (asked.length > 0) await delay(clock, pauseMs)
    }
  }

  /** The GCS alone knows of some copies: while it is away it is asked again, as nodes are. */
  async #locate(asked: readonly Missing[]): Promise<Looked> {
    const { raylet, clock } = this.#worker.deps
    const objectIds = this.#idsOf(asked)
    const unread = this.#idsOf(asked.filter(({ error }) => error !== undefined))
    for (;;) {
      try {
        return await raylet.request('locateObjects', { objectIds, unread })
      } catch (error) {
        if (!(error instanceof GcsUnavailableError)) throw error
      }
      await delay(clock, LOOK_AGAIN_MS)
    }
  }

  #idsOf(all: readonly Missing[]): ObjectId[] {
    return all.map(({ entry }) => this.#worker.references.idOf(entry))
  }

  /** Those that no node says it has. The bytes of some that one has are damaged: they are gone. */
  #missingOf(asked: readonly Missing[], looked: Looked, gone: Missing[]): readonly Missing[] {
    const held = new Set(looked.held)
    const missing: Missing[] = []
    for (const each of asked) {
      const { entry, error } = each
      if (!this.#mayBeGone(entry)) continue
      if (!held.has(this.#worker.references.idOf(entry))) missing.push(each)
      else if (entry.pending && !this.#isFound(entry, error)) gone.push(this.#loseAs(each, looked))
    }
    return missing
  }

  /** RV3. */
  #loseAs(missing: Missing, { left }: Looked): Missing {
    const { entry, isCharged } = missing
    this.#lose(entry)
    const { nodeId = '' } = (entry.value ?? {}) as Partial<StoredAt>
    return { ...missing, isCharged: isCharged && !left.includes(nodeId) }
  }

  /**
   * Its reader could not read it, and yet it is there: it is tried again, after a while.
   * @returns false when its bytes are damaged wherever it is: that is as good as gone.
   */
  #isFound(entry: ObjectEntry, error: VirgaError | undefined): boolean {
    const { clock } = this.#worker.deps
    const atMs = clock.monotonicMs()
    const before = this.#found.get(entry)
    const isFresh = before !== undefined && atMs - before.atMs < FOUND_FORGET_MS
    const times = isFresh ? before.times + 1 : 1
    this.#found.set(entry, { times, atMs })
    if (times > DAMAGED_TIMES_MAX && error instanceof ObjectCorruptedError) return false
    if (times > FOUND_TIMES_MAX) {
      this.#fail(entry, { reason: 'UNREADABLE' }, error)
      return true
    }
    clock.after(times === 1 ? 0 : FOUND_PAUSE_MS * 2 ** times, () => {
      if (this.#isLost(entry)) entry.complete(STORED, entry.value)
    })
    return true
  }

  #fail(entry: ObjectEntry, why: WhyLost, error: VirgaError | undefined): void {
    const objectId = this.#worker.references.idOf(entry)
    entry.complete(FAILED, lostError(objectId, why, error))
    this.#worker.lineage.released(objectId)
  }

  /** The task of a gone object, made ready to run again; none if it may not, or does already. */
  #again({ entry, error, isCharged }: Missing): TaskRecord | undefined {
    if (!this.#isLost(entry)) return undefined // another result of the same task
    const kept = this.#keptOf(entry)
    const objectId = this.#worker.references.idOf(entry)
    if (kept !== undefined && this.#comesFrom(kept, entry)) return undefined
    const why = whyNotAgain(objectId, kept, isCharged) ?? this.#actorGone(kept)
    if (kept?.spec === undefined || why !== undefined) {
      this.#cannotRerun(entry, why ?? { reason: 'LINEAGE_DROPPED' }, error)
      return undefined
    }
    if (isCharged && kept.spec.retriesLeft > 0) kept.spec.retriesLeft -= 1
    const record = this.#rerunOf(kept, kept.spec)
    entry.task = record
    record.stream?.awaitsAgain(indexOfObject(objectId) - 1, entry)
    return record
  }

  /** Whether a run of its task goes on that is yet to make it: it was lost only now. */
  #comesFrom({ run, live }: KeptTask, entry: ObjectEntry): boolean {
    if (run === undefined || run.phase === DONE) return false
    const objectId = this.#worker.references.idOf(entry)
    live.add(objectId) // who misses it refers to it
    const { stream } = run
    if (stream !== undefined) {
      stream.onMissed ??= this.#lookAgain
      if (!stream.awaitsAgain(indexOfObject(objectId) - 1, entry)) return false
    }
    entry.task = run
    return true
  }

  /** The stream that was to give them has ended. */
  readonly #lookAgain: Missed = (entries) => {
    for (const entry of entries) {
      entry.task = undefined
      this.#lookFor({ entry, error: undefined, isCharged: true })
    }
  }

  readonly #notGiven: Missed = (entries, error) => {
    for (const entry of entries) {
      if (error !== undefined) entry.complete(FAILED, error)
      else this.#fail(entry, { reason: 'NOT_GIVEN_AGAIN' }, undefined)
    }
  }

  /** What this process found for a dead owner, and knows no task of, it makes all the same (AD4). */
  #cannotRerun(entry: ObjectEntry, why: WhyLost, error: VirgaError | undefined): void {
    const isKnown = this.#keptOf(entry) !== undefined
    if (isKnown || this.#worker.adoption?.remake(entry) !== true) this.#fail(entry, why, error)
  }

  #actorGone(kept: KeptTask | undefined): WhyLost | undefined {
    const actorId = kept?.spec?.kind.actorId
    if (kept === undefined || actorId === undefined) return undefined
    return this.#worker.actors.has(actorId) ? undefined : { reason: 'ACTOR_GONE', kept }
  }

  #rerunOf(kept: KeptTask, spec: TaskSpec): TaskRecord {
    const { references, ends } = this.#worker
    spec.attempt += 1
    for (const objectId of kept.live) this.#worker.madeAt.notAlone(objectId) // MA2
    const record = new TaskRecord(spec.kind, spec.scope, spec.index)
    record.attempt = spec.attempt
    record.retriesLeft = spec.retriesLeft
    record.oomRetriesLeft = OOM_RETRIES_MAX
    record.take({ slab: spec.args, at: 0, sizeBytes: spec.args.length })
    record.holds = spec.dependencies.map((each) => this.entryOf(each))
    references.use(record.holds, 1)
    kept.run = record
    if (spec.kind.streaming) record.stream = new RemadeStream(record, this.#notGiven)
    else this.#makeReturns(kept, record)
    ends.begin(record)
    return record
  }

  #makeReturns({ taskId }: KeptTask, record: TaskRecord): void {
    const length = Math.max(1, record.kind.numReturns)
    const entries = Array.from({ length }, (_, i) => this.#own(objectIdOf(taskId, i)))
    for (const entry of entries) if (entry.pending) entry.task = record
    record.returns = entries.length === 1 ? entries[0] : entries
  }

  /** The entry of what a kept spec needs; one of ours that is forgotten is awaited anew. */
  entryOf({ objectId, ownerAddress }: Dependency): ObjectEntry {
    const { references } = this.#worker
    return ownerAddress === undefined
      ? this.#own(objectId)
      : references.borrowed(objectId, ownerAddress)
  }

  /** What this process owned and nobody refers to any more is awaited anew. */
  #own(objectId: ObjectId): ObjectEntry {
    const { references, lineage } = this.#worker
    const known = references.find(objectId)
    if (known !== undefined) return known
    lineage.revived(objectId)
    return references.revived(objectId)
  }
}

function isLoss(error: unknown): error is VirgaError {
  return (
    error instanceof ObjectNotFoundError ||
    error instanceof ObjectLostError ||
    error instanceof ObjectCorruptedError
  )
}

const isOurs = (entry: ObjectEntry): boolean =>
  entry.sharing !== undefined && entry.sharing.ownerAddress === undefined
