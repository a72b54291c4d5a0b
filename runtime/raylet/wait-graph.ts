// Who waits for whom, as a graph: which waits can never end, and the ring among them.
//   A wait needs `need` of the tasks it is on: all of them for get, any one for wait.
//   A wait is stuck when too few of those tasks can still go on. A task is stuck when
//     - it has begun, and all of its own waits are stuck; or
//     - it has not begun, and one of the dependencies it waits for is stuck; or
//     - it has not begun, and all places that it could take (of its actor's concurrency group, of
//       its limiter) are taken by tasks that are stuck.
// The stuck ones are what is left after all that can go on were taken away, again and again (the
// greatest fixed point). What is not known to wait is taken to go on.
import type { ActorId, TaskId } from '../common/ids.ts'
import type { Waiting } from '../protocol/messages.ts'
import type { Wait } from './state.ts'

/** How many tasks may be at a place at once; Infinity where nothing is known of it. */
export type Capacity = (place: string) => number

/** Names a place: where an actor's calls of one group run, or what a limiter lets start. */
export interface Places {
  ofActor(actorId: ActorId, group: string | undefined): string
  ofLimiter(name: string): string
  readonly capacity: Capacity
}

export class WaitGraph {
  readonly #places: Places
  readonly #byTask: ReadonlyMap<TaskId, readonly Wait[]>
  readonly #byPlace = new Map<string, Wait[]>()
  readonly #stuck: Set<Wait>

  constructor(waits: readonly Wait[], places: Places) {
    this.#places = places
    this.#byTask = Map.groupBy(waits, (wait) => wait.taskId)
    for (const wait of waits) for (const place of this.#held(wait)) this.#hold(place, wait)
    this.#stuck = new Set(waits)
    this.#takeAwayLoose()
  }

  /** Waits that can never end. */
  get stuck(): ReadonlySet<Wait> {
    return this.#stuck
  }

  /** A ring among the stuck ones, in order: the newest first if it is part of one. */
  ring(): readonly Wait[] | undefined {
    const path: Wait[] = []
    for (let at = newestOf(this.#stuck); at !== undefined; at = this.#next(at)) {
      const seen = path.indexOf(at)
      if (seen >= 0) return path.slice(seen)
      path.push(at)
    }
    return undefined
  }

  #held({ actorId, group, limit, isDependency }: Wait): string[] {
    if (isDependency) return [] // it has not begun
    const places: string[] = []
    if (actorId !== undefined) places.push(this.#places.ofActor(actorId, group))
    if (limit !== undefined) places.push(this.#places.ofLimiter(limit))
    return places
  }

  #hold(place: string, wait: Wait): void {
    const at = this.#byPlace.get(place)
    if (at === undefined) this.#byPlace.set(place, [wait])
    else at.push(wait)
  }

  #takeAwayLoose(): void {
    let changed = true
    while (changed) {
      changed = false
      for (const wait of this.#stuck) {
        const loose = wait.on.filter((target) => this.#blockers(target) === undefined)
        if (loose.length < wait.need) continue
        this.#stuck.delete(wait)
        changed = true
      }
    }
  }

  /** The stuck waits that keep this task from ending, or undefined when it can go on. */
  #blockers(target: Waiting): readonly Wait[] | undefined {
    const own = this.#byTask.get(target.taskId) ?? []
    const dependency = own.find((wait) => wait.isDependency && this.#stuck.has(wait))
    if (dependency !== undefined) return [dependency]
    const begun = own.filter((wait) => !wait.isDependency)
    if (begun.length > 0) return this.#allStuck(begun) ? begun : undefined
    const { actorId, group, limit } = target
    if (actorId !== undefined) return this.#full(this.#places.ofActor(actorId, group))
    return limit === undefined ? undefined : this.#full(this.#places.ofLimiter(limit))
  }

  /** Who has taken the place for ever, or undefined when it may come free. */
  #full(place: string): readonly Wait[] | undefined {
    const holding = this.#byPlace.get(place) ?? []
    const taken = new Set(holding.map((wait) => wait.taskId))
    if (taken.size < this.#places.capacity(place)) return undefined
    return this.#allStuck(holding) ? holding : undefined
  }

  #allStuck(waits: readonly Wait[]): boolean {
    return waits.every((wait) => this.#stuck.has(wait))
  }

  #next(wait: Wait): Wait | undefined {
    for (const target of wait.on) {
      const next = this.#blockers(target)?.[0]
      if (next !== undefined) return next
    }
    return undefined
  }
}

export function newestOf(waits: Iterable<Wait>): Wait | undefined {
  let newest: Wait | undefined
  for (const wait of waits) {
    if (newest === undefined || wait.sinceMs >= newest.sinceMs) newest = wait
  }
  return newest
}
