// Where pushed tasks wait for their turn: one place for plain tasks, an actor's concurrency groups
// for its methods. Each has a queue, and a limit to what runs of it at once.
// Invariants:
//   CG1. What one owner pushed into a group leaves it in that order (X2).
//   CG2. An owner that does not read its replies holds up nobody but itself.
//   CG3. What `start` gave out runs until `ended`; runningCount is the sum over the groups.
import { UsageError } from '../common/errors.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import { asSystemFailure } from './failure.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'
import type { PushedTask } from './pushed-task.ts'

export class ConcurrencyGroup {
  readonly limit: number
  /** How many run, of this group. */
  running = 0
  /** What owners pushed ahead (L2) or called. */
  readonly queue = new Fifo<PushedTask>()

  constructor(limit: number) {
    this.limit = limit
  }
}

export class ConcurrencyGroups {
  /** As the actor declares. */
  readonly #byName = new Map<string, ConcurrencyGroup>()
  readonly #onDrained: (group: ConcurrencyGroup) => void
  #runningCount = 0

  /**
   * @param limits  by name; '' is the group of whatever names none.
   * @param onDrained  an owner reads again, for which `start` found nothing to run in the group.
   */
  constructor(limits: ReadonlyMap<string, number>, onDrained: (group: ConcurrencyGroup) => void) {
    for (const [name, limit] of limits) this.#byName.set(name, new ConcurrencyGroup(limit))
    this.#onDrained = onDrained
  }

  /** How many run, of all groups (CG3). */
  get runningCount(): number {
    return this.#runningCount
  }

  all(): Iterable<ConcurrencyGroup> {
    return this.#byName.values()
  }

  /** The group of a task; one that is not declared waits with those that name none. */
  of({ concurrencyGroup = '' }: TaskTemplate): ConcurrencyGroup {
    const group = this.#byName.get(concurrencyGroup) ?? this.#byName.get('')
    if (group === undefined) throw new Error('a worker without concurrency groups was given a task')
    return group
  }

  /** @throws UsageError, as a system failure, for a group that the actor does not declare. */
  check({ concurrencyGroup, name }: TaskTemplate): void {
    if (concurrencyGroup === undefined || this.#byName.has(concurrencyGroup)) return
    const known = [...this.#byName.keys()].filter((group) => group !== '')
    throw asSystemFailure(
      new UsageError(
        `${name} was called in the concurrency group '${concurrencyGroup}', which the actor does ` +
          `not declare; it has ${known.join(', ') || 'none'}`,
      ),
    )
  }

  /** Takes the next task of a group that has some waiting, to be run at once. */
  start(group: ConcurrencyGroup): PushedTask | undefined {
    const task = this.#next(group)
    if (task === undefined) return undefined
    group.running += 1
    this.#runningCount += 1
    return task
  }

  ended(group: ConcurrencyGroup): void {
    group.running -= 1
    this.#runningCount -= 1
  }

  /** The first whose owner reads its replies (CG1, CG2). */
  #next(group: ConcurrencyGroup): PushedTask | undefined {
    const { queue } = group
    const head = queue.peek() as PushedTask
    if (!head.peer.congested) return queue.shift()
    for (const task of queue) {
      if (!task.peer.congested) {
        queue.remove(task)
        return task
      }
      task.peer.whenDrained(group, () => {
        this.#onDrained(group)
      })
    }
    return undefined
  }

  /** Takes one task that waits. */
  take(owner: Peer, seq: number): PushedTask | undefined {
    for (const { queue } of this.#byName.values()) {
      for (const task of queue) {
        if (task.peer !== owner || task.seq !== seq) continue
        queue.remove(task)
        return task
      }
    }
    return undefined
  }

  /** Takes all that wait: of one owner, or of everybody. */
  takeAll(owner?: Peer): PushedTask[] {
    const taken: PushedTask[] = []
    for (const { queue } of this.#byName.values()) {
      const kept: PushedTask[] = []
      for (const task of queue.drain()) {
        if (owner === undefined || task.peer === owner) taken.push(task)
        else kept.push(task)
      }
      queue.unshift(kept)
    }
    return taken
  }
}
