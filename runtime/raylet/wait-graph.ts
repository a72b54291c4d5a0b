// Who waits for whom, as a graph: which waits can never end, and the ring among them.
//   A wait needs `need` of the tasks it is on: all of them for get, any one for wait.
//   A wait is stuck when too few of those tasks can still go on. A task is stuck when
//     - it has begun, and all of its own waits are stuck; or
//     - it has not begun, and one of the dependencies it waits for is stuck; or
//     - it has not begun, and all places that it could take (of its actor's concurrency group, of
//       its limiter) are taken by tasks that are stuck.
// The stuck ones are what is left after all that can go on were taken away, again and again (the
// greatest fixed point). What is not known to wait is taken to go on.
// Invariant:
//   WG1. What the waits are on is gone through once, whatever their order: a wait that is taken
//        away has only those looked at again that were on its task or its places.
import type { ActorId, TaskId } from '../common/ids.ts'
import type { Waiting } from '../protocol/messages.ts'
import type { Wait } from './state.ts'

/** What a graph needs of a wait, wherever that is. */
export type GraphWait = Pick<
  Wait,
  'taskId' | 'actorId' | 'group' | 'limit' | 'isDependency' | 'on' | 'need' | 'sinceMs'
>

/** How many tasks may be at a place at once; Infinity where nothing is known of it. */
export type Capacity = (place: string) => number

/** Names a place: where an actor's calls of one group run, or what a limiter lets start. */
export interface Places {
  ofActor(actorId: ActorId, group: string | undefined): string
  ofLimiter(name: string): string
  readonly capacity: Capacity
}

/** A task with waits of its own. */
interface Task<W> {
  readonly dependencies: W[]
  readonly begun: W[]
  /** How many of its dependencies are stuck. */
  stuckCount: number
  /** It has begun, and one of its waits is not stuck. */
  goesOn: boolean
  readonly targets: Target<W>[]
}

interface Place<W> {
  readonly holders: W[]
  /** Somebody who holds it is not stuck, or it was never full; undefined: not counted yet. */
  isOpen: boolean | undefined
  readonly targets: Target<W>[]
}

/** One of the tasks that a wait is on. */
interface Target<W> {
  readonly waiter: { readonly wait: W; looseCount: number }
  readonly on: Waiting
  /** It can go on. */
  isLoose: boolean
}

export class WaitGraph<W extends GraphWait> {
  readonly #places: Places
  readonly #tasks = new Map<TaskId, Task<W>>()
  readonly #byName = new Map<string, Place<W>>()
  readonly #stuck: Set<W>

  constructor(waits: readonly W[], places: Places) {
    this.#places = places
    this.#stuck = new Set(waits)
    for (const wait of waits) this.#add(wait)
    this.#takeAwayLoose()
  }

  /** Waits that can never end. */
  get stuck(): ReadonlySet<W> {
    return this.#stuck
  }

  /** A ring among the stuck ones, in order: the newest first if it is part of one. */
  ring(): readonly W[] | undefined {
    const path = new Set<W>()
    for (let at = newestOf(this.#stuck); at !== undefined; at = this.#next(at)) {
      if (path.has(at)) return [...path].slice([...path].indexOf(at))
      path.add(at)
    }
    return undefined
  }

  #add(wait: W): void {
    const { taskId, isDependency } = wait
    let task = this.#tasks.get(taskId)
    if (task === undefined) {
      task = { dependencies: [], begun: [], stuckCount: 0, goesOn: false, targets: [] }
      this.#tasks.set(taskId, task)
    }
    if (isDependency) {
      task.dependencies.push(wait)
      task.stuckCount += 1
    } else {
      task.begun.push(wait)
      for (const name of this.#held(wait)) this.#placeOf(name).holders.push(wait)
    }
  }

  /** The places that the task of a wait takes, once it has begun. */
  #held({ actorId, group, limit }: W): string[] {
    const names: string[] = []
    if (actorId !== undefined) names.push(this.#places.ofActor(actorId, group))
    if (limit !== undefined) names.push(this.#places.ofLimiter(limit))
    return names
  }

  #placeOf(name: string): Place<W> {
    let place = this.#byName.get(name)
    if (place === undefined) {
      place = { holders: [], isOpen: undefined, targets: [] }
      this.#byName.set(name, place)
    }
    return place
  }

  /** WG1. */
  #takeAwayLoose(): void {
    const leaving: W[] = []
    const judge = (target: Target<W>): void => {
      if (target.isLoose || this.#isBlocked(target.on)) return
      target.isLoose = true
      target.waiter.looseCount += 1
      if (target.waiter.looseCount === target.waiter.wait.need) leaving.push(target.waiter.wait)
    }
    for (const wait of this.#stuck) {
      const waiter = { wait, looseCount: 0 }
      if (wait.need === 0) leaving.push(wait)
      for (const on of wait.on) {
        const target = { waiter, on, isLoose: false }
        this.#tasks.get(on.taskId)?.targets.push(target)
        this.#whereItCouldBegin(on)?.targets.push(target)
        judge(target)
      }
    }
    // Grows while it is gone through.
    for (const wait of leaving) for (const target of this.#leave(wait)) judge(target)
  }

  /** @returns whatever may be able to go on now, because this wait is not stuck. */
  #leave(wait: W): Target<W>[] {
    this.#stuck.delete(wait)
    const task = this.#tasks.get(wait.taskId)
    if (task === undefined) return []
    if (wait.isDependency) {
      task.stuckCount -= 1
      return task.stuckCount === 0 ? task.targets : []
    }
    const freed = task.goesOn ? [] : [task.targets]
    task.goesOn = true
    for (const place of this.#held(wait).map((name) => this.#placeOf(name))) {
      if (place.isOpen !== true) freed.push(place.targets)
      place.isOpen = true
    }
    return freed.flat()
  }

  /** Whether what is stuck keeps this task from ending. */
  #isBlocked(target: Waiting): boolean {
    const task = this.#tasks.get(target.taskId)
    if (task !== undefined) {
      if (task.stuckCount > 0) return true
      if (task.begun.length > 0) return !task.goesOn
    }
    return this.#whereItCouldBegin(target)?.isOpen === false
  }

  /** The place that a task still needs; undefined when it needs none. */
  #whereItCouldBegin({ taskId, actorId, group, limit }: Waiting): Place<W> | undefined {
    if ((this.#tasks.get(taskId)?.begun.length ?? 0) > 0) return undefined
    if (actorId === undefined && limit === undefined) return undefined
    const name =
      actorId === undefined
        ? this.#places.ofLimiter(limit ?? '')
        : this.#places.ofActor(actorId, group)
    const place = this.#placeOf(name)
    if (place.isOpen === undefined) {
      const takenCount = new Set(place.holders.map((wait) => wait.taskId)).size
      place.isOpen = takenCount < this.#places.capacity(name)
    }
    return place
  }

  #next(wait: W): W | undefined {
    for (const target of wait.on) {
      if (!this.#isBlocked(target)) continue
      const next = this.#blockerOf(target)
      if (next !== undefined) return next
    }
    return undefined
  }

  /** One of the stuck waits that keep a blocked task from ending. */
  #blockerOf(target: Waiting): W | undefined {
    const task = this.#tasks.get(target.taskId)
    const dependency = task?.dependencies.find((wait) => this.#stuck.has(wait))
    return dependency ?? task?.begun[0] ?? this.#whereItCouldBegin(target)?.holders[0]
  }
}

/** Who of a ring is told, and the names from it around to it again. A dependency is nobody's call of
 *  get: who waits for it is told. */
export function victimOf<W extends GraphWait & Pick<Wait, 'name'>>(
  ring: readonly W[],
): { readonly victim: W; readonly chain: readonly string[] } | undefined {
  const victim = newestOf(ring.filter((wait) => !wait.isDependency))
  if (victim === undefined) return undefined
  const at = ring.indexOf(victim)
  const chain = [...ring.slice(at), ...ring.slice(0, at), victim].map((wait) => wait.name)
  return { victim, chain }
}

function newestOf<W extends Pick<Wait, 'sinceMs'>>(waits: Iterable<W>): W | undefined {
  let newest: W | undefined
  for (const wait of waits) {
    if (newest === undefined || wait.sinceMs >= newest.sinceMs) newest = wait
  }
  return newest
}
