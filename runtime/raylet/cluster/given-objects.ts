// To which nodes this one has given bytes of an object: whoever has a copy of it has that from a
// node that knows, so a free finds all copies by going the way that they came.
// Invariants:
//   GV1. Noted before a byte leaves. What any node may have read elsewhere, from the bucket, may be
//        anywhere.
//   GV2. Kept until the object is freed or its job forgotten, whatever becomes of the copy here.
//   GV3. Of OBJECTS_MAX objects at most: above that the oldest are forgotten, and whatever is here
//        and not noted may be anywhere, until nothing is noted. What is not here was passed on, or
//        never was: said to be anywhere, its free would go round for ever.
//   GV4. A free that is told late takes what was given before it alone: a task that ran again makes
//        its result under the same id (MF3).
import { jobIdOfObject, type JobId, type ObjectId } from '../../common/ids.ts'

const OBJECTS_MAX = 100_000

/** A node in one of its lives. */
export interface NodeLife {
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
}

interface Given extends NodeLife {
  readonly atMs: number
}

export class GivenObjects {
  /** By object, then by life; the oldest object first. */
  readonly #given = new Map<string, Map<string, Given>>()
  /** GV1. */
  readonly #anywhere = new Set<string>()
  #hasForgotten = false

  gave(objectId: string, { nodeId, epoch }: NodeLife, atMs: number): void {
    const known = this.#given.get(objectId)
    const given = known ?? new Map<string, Given>()
    given.set(`${nodeId}/${String(epoch)}`, { nodeId, epoch, atMs })
    if (known === undefined) this.#given.set(objectId, given)
    const [oldest] = this.#given.keys()
    if (oldest === undefined || this.#given.size <= OBJECTS_MAX) return
    this.#given.delete(oldest)
    this.#hasForgotten = true // GV3
  }

  /** GV1. */
  isAnywhere(objectId: string): void {
    this.#anywhere.add(objectId)
    const [oldest] = this.#anywhere
    if (oldest === undefined || this.#anywhere.size <= OBJECTS_MAX) return
    this.#anywhere.delete(oldest)
    this.#hasForgotten = true // GV3
  }

  /**
   * It is freed, since then.
   * @param isHere  this node had it until now.
   * @returns who may have a copy from here; undefined: anybody may.
   */
  take(objectId: string, atMs: number, isHere: boolean): readonly NodeLife[] | undefined {
    const given = this.#given.get(objectId)
    const isForgotten = given === undefined && isHere && this.#hasForgotten
    const isAnywhere = this.#anywhere.delete(objectId) || isForgotten
    if (given === undefined) return isAnywhere ? undefined : []
    const taken = [...given].filter(([, each]) => each.atMs <= atMs) // GV4
    for (const [life] of taken) given.delete(life)
    if (given.size === 0) this.#given.delete(objectId)
    return isAnywhere ? undefined : taken.map(([, { nodeId, epoch }]) => ({ nodeId, epoch }))
  }

  /** GV2. */
  jobForgotten(jobId: JobId): void {
    const isOfJob = (objectId: string): boolean => jobIdOfObject(objectId as ObjectId) === jobId
    for (const objectId of this.#given.keys()) if (isOfJob(objectId)) this.#given.delete(objectId)
    for (const objectId of this.#anywhere) if (isOfJob(objectId)) this.#anywhere.delete(objectId)
    if (this.#given.size + this.#anywhere.size === 0) this.#hasForgotten = false
  }
}
