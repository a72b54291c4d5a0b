// Progress by function, over all owners of this node: their last word each, and for those that have
// gone what they had reached (pure).
// Invariants:
//   PR1. Sums are exact: what an owner counted is counted once, while it lives and after.
//   PR2. What waited or ran for an owner that has gone is no longer counted: it was ended with it.
//   PR3. At most JOBS_MAX jobs are kept; of those that nobody works for any more, the oldest go.
//   PR4. A job has at most FUNCTION_NAMES_MAX names; further ones count as OTHER_FUNCTIONS.
import { toHex, type JobId, type WorkerId } from '../common/ids.ts'
import { FUNCTION_NAMES_MAX } from '../common/limits.ts'
import type { StateRow } from '../protocol/messages.ts'
import { OTHER_FUNCTIONS, type FunctionProgress } from '../protocol/task-events.ts'

const JOBS_MAX = 100

type Functions = Map<string, FunctionProgress>

interface Owner {
  readonly jobId: JobId
  functions: readonly FunctionProgress[]
  /** Of its last word. */
  atMs: number
}

export class ProgressBook {
  /** The connected processes that have reported. */
  readonly #owners = new Map<WorkerId, Owner>()
  /** What those that have gone had reached: PR3 and PR4 bound it. */
  readonly #left = new Map<JobId, Functions>()

  /** @param functions  absolute counts of that owner: they take the place of its last ones. */
  report(
    client: WorkerId,
    jobId: JobId,
    functions: readonly FunctionProgress[],
    atMs: number,
  ): void {
    this.#owners.set(client, { jobId, functions, atMs })
  }

  ownerGone(client: WorkerId): void {
    const owner = this.#owners.get(client)
    if (owner === undefined) return
    this.#owners.delete(client)
    const left = this.#left.get(owner.jobId) ?? new Map<string, FunctionProgress>()
    for (const each of owner.functions) add(left, { ...each, pending: 0, running: 0 })
    this.#left.delete(owner.jobId)
    this.#left.set(owner.jobId, left)
    this.#forgetOldest()
  }

  rows(): StateRow[] {
    const jobs = new Map<JobId, Functions>()
    for (const [jobId, left] of this.#left) jobs.set(jobId, new Map(left))
    for (const { jobId, functions } of this.#owners.values()) {
      const sums = jobs.get(jobId) ?? new Map<string, FunctionProgress>()
      jobs.set(jobId, sums)
      for (const each of functions) add(sums, each)
    }
    return [...jobs].flatMap(([jobId, sums]) =>
      [...sums.values()].map((each) => ({ jobId: toHex(jobId), ...each })),
    )
  }

  /** What pends at owners that have said nothing since then: for them nothing has changed. */
  pendingSince(atMs: number): StateRow[] {
    return [...this.#owners.values()]
      .filter((owner) => owner.atMs <= atMs)
      .flatMap(({ jobId, functions }) =>
        functions
          .filter(({ pending }) => pending > 0)
          .map(({ name, kind, pending, running }) => ({
            ...{ jobId: toHex(jobId), name, kind, pending, running },
          })),
      )
  }

  #forgetOldest(): void {
    const inUse = new Set([...this.#owners.values()].map(({ jobId }) => jobId))
    for (const jobId of this.#left.keys()) {
      if (this.#left.size <= JOBS_MAX) return
      if (!inUse.has(jobId)) this.#left.delete(jobId)
    }
  }
}

function add(sums: Functions, each: FunctionProgress): void {
  const key = `${each.kind} ${each.name}`
  const sum = sums.get(key)
  if (sum === undefined) {
    if (sums.size < FUNCTION_NAMES_MAX || each.name === OTHER_FUNCTIONS) sums.set(key, each)
    else add(sums, { ...each, name: OTHER_FUNCTIONS })
    return
  }
  sums.set(key, {
    ...sum,
    pending: sum.pending + each.pending,
    running: sum.running + each.running,
    done: sum.done + each.done,
    failed: sum.failed + each.failed,
  })
}
