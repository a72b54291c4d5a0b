// Who is told that nobody refers to an object any more: the node where its owner had it made, and
// from each node that is told those to which that gave bytes of it. All are, where that is not
// known, or a node is gone that knew more.
// Invariants:
//   OF1. Each node that has a copy, or may get one by a pull under way, hears of the free: it came
//        from the node where the object was made, by nodes that each hear of it and pass it on.
//   OF2. A node that is gone, or back in another life, can pass on nothing: all are told, also of
//        what it was told shortly before its end (MF4).
//   OF3. Told again until it is answered where the connection breaks (MF1).
import type { Clock } from '../../common/clock.ts'
import type { JobId } from '../../common/ids.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { ClusterMember } from './cluster-member.ts'
import { GivenObjects, type NodeLife } from './given-objects.ts'
import { MissedFrees } from './missed-frees.ts'

export interface ObjectFreesDeps {
  readonly clock: Clock
  readonly member: Pick<ClusterMember, 'ask' | 'others' | 'tell' | 'tellAll'>
  /** Hex. */
  readonly nodeId: string
}

export class ObjectFrees {
  readonly #deps: ObjectFreesDeps
  readonly #given = new GivenObjects()
  readonly #missed: MissedFrees
  /** Of each node of the view. */
  readonly #epochs = new Map<string, number>()
  /** OF2. Nodes of which more than one life was seen: what was made in an earlier one may be freed
   *  as long as its owner lives. */
  readonly #returned = new Set<string>()

  constructor(deps: ObjectFreesDeps) {
    this.#deps = deps
    this.#missed = new MissedFrees(deps)
  }

  /** GV1. */
  gave(objectId: string, to: NodeLife): void {
    this.#given.gave(objectId, to, this.#deps.clock.monotonicMs())
  }

  /** GV1. */
  isAnywhere(objectId: string): void {
    this.#given.isAnywhere(objectId)
  }

  /** By its owner. @param at  the node where alone it was made, in hex; undefined: nobody knows. */
  free(objectIds: readonly string[], at: string | undefined): void {
    const { nodeId, clock } = this.#deps
    const from = at !== undefined && (at === nodeId || this.#knows(at)) ? at : undefined
    const atMs = clock.monotonicMs()
    const to = this.#toTell(objectIds, { atMs, isKnown: from !== undefined })
    if (from !== undefined && from !== nodeId) to.set(from, [...objectIds])
    for (const [each, ids] of to) this.#tell(each, ids)
  }

  /** Another node has told this one, now: it is passed on. @param here  what was here. */
  freed(objectIds: readonly string[], here: ReadonlySet<string>): void {
    const atMs = this.#deps.clock.monotonicMs()
    const to = this.#toTell(objectIds, { atMs, isKnown: true, here })
    for (const [each, ids] of to) this.#tell(each, ids)
  }

  /**
   * Their owner has ended, and nobody is told yet: it is asked first who refers to them.
   * @returns to whom copies of them may have gone from here, for tell(); this node forgets that.
   */
  takeGiven(objectIds: readonly string[]): Told {
    return this.#toTell(objectIds, { atMs: this.#deps.clock.monotonicMs(), isKnown: true })
  }

  /** What takeGiven() said: of a node that is gone since, all may have them (OF2). */
  tell(told: Told): void {
    for (const [to, ids] of told) {
      if (ids.length > 0) this.#tell(to === ALL || this.#knows(to) ? to : ALL, ids)
    }
  }

  /** The same as freed(), late. */
  missed(objectIds: readonly string[], agesMs: readonly number[], here: ReadonlySet<string>): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [i, objectId] of objectIds.entries()) {
      const atMs = nowMs - (agesMs[i] ?? 0)
      for (const each of this.#toTell([objectId], { atMs, isKnown: true, here }).keys()) {
        if (each === ALL) this.#missed.missedByAll([[objectId, atMs]])
        else this.#missed.missedBy(each, [[objectId, atMs]])
      }
    }
  }

  /** OF3. The connection to that node has closed, or could not be made. */
  lost(nodeId: string): void {
    this.#missed.lost(nodeId)
  }

  /** OF2. */
  nodes(rows: readonly NodeRow[]): void {
    for (const { nodeId, epoch, state } of rows) {
      const before = this.#epochs.get(nodeId)
      const isBack = before !== undefined && before !== epoch
      this.#epochs.set(nodeId, epoch)
      if (isBack) this.#returned.add(nodeId)
      if (isBack || state === 'DEAD') this.#missed.died(nodeId)
    }
  }

  jobForgotten(jobId: JobId): void {
    this.#given.jobForgotten(jobId)
  }

  stop(): void {
    this.#missed.stop()
  }

  /** @returns by node, or for ALL, what is to be told there. */
  #toTell(objectIds: readonly string[], { atMs, isKnown, here }: Freed): Map<string, string[]> {
    const to = new Map<string, string[]>()
    for (const objectId of objectIds) {
      const given = this.#given.take(objectId, atMs, here?.has(objectId) ?? true)
      const isAll = !isKnown || given?.every((life) => this.#lives(life)) !== true
      const nodes = isAll ? [ALL] : given.map(({ nodeId }) => nodeId)
      for (const each of nodes) {
        const known = to.get(each)
        if (known === undefined) to.set(each, [objectId])
        else known.push(objectId)
      }
    }
    return to
  }

  #tell(to: string, objectIds: readonly string[]): void {
    const { member } = this.#deps
    if (to === ALL) {
      this.#missed.freed(objectIds)
      member.tellAll('freeObjects', { objectIds })
    } else {
      this.#missed.told(to, objectIds)
      member.tell(to, 'freeObjects', { objectIds })
    }
  }

  #lives({ nodeId, epoch }: NodeLife): boolean {
    const others = this.#deps.member.others()
    return others.some((node) => node.nodeId === nodeId && node.epoch === epoch)
  }

  /** Whether it can pass on what it knows of an object that was made there. */
  #knows(nodeId: string): boolean {
    if (this.#returned.has(nodeId)) return false
    return this.#deps.member.others().some((node) => node.nodeId === nodeId)
  }
}

const ALL = 'all nodes'

interface Freed {
  readonly atMs: number
  /** It is known where alone it was made. */
  readonly isKnown: boolean
  /** What this node had; undefined: all of it, or its owner has said so. */
  readonly here?: ReadonlySet<string>
}

/** By node, or for all of them: what is to be told there. */
export type Told = ReadonlyMap<string, readonly string[]>
