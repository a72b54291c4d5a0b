// Where tasks wait for a lease: each in the queue of its scheduling class, which leases.ts empties.
import type { Clock } from '../common/clock.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import type { ArgumentHolders } from './argument-holders.ts'
import type { Leases } from './leases.ts'
import type { SchedulingClass } from './scheduling-class.ts'
import type { TaskKind } from './task-kind.ts'
import { QUEUED, type TaskRecord } from './task-record.ts'

export interface ClassQueuesDeps {
  readonly clock: Clock
  readonly leases: Leases
  /** Absent where there is one node. */
  readonly holders?: ArgumentHolders | undefined
}

export class ClassQueues {
  readonly #deps: ClassQueuesDeps
  readonly #classes = new WeakMap<TaskKind, SchedulingClass>()
  /** To be pumped at the end of this turn. */
  readonly #dirty = new Set<SchedulingClass>()

  constructor(deps: ClassQueuesDeps) {
    this.#deps = deps
  }

  /** Puts a task at the end of its queue. */
  push(record: TaskRecord): void {
    const cls = this.classOf(record)
    wait(record)
    cls.queue.push(record)
    this.pumpSoon(cls)
  }

  /** Puts tasks that were pushed, and have not begun, back in front of their queues. */
  requeue(records: readonly TaskRecord[]): void {
    const byClass = new Map<SchedulingClass, TaskRecord[]>()
    for (const record of records) {
      wait(record)
      const cls = this.classOf(record)
      const list = byClass.get(cls)
      if (list === undefined) byClass.set(cls, [record])
      else list.push(record)
    }
    for (const [cls, list] of byClass) this.#deps.leases.requeue(list, cls)
  }

  classOf(record: TaskRecord): SchedulingClass {
    const { kind } = record
    const holder = this.#deps.holders?.of(record)
    if (holder !== undefined) return this.#deps.leases.classOf({ ...schedulingOf(kind), holder })
    let cls = this.#classes.get(kind)
    if (cls?.forgotten !== false) {
      cls = this.#deps.leases.classOf(schedulingOf(kind))
      this.#classes.set(kind, cls)
    }
    return cls
  }

  /** Once per turn: a loop that submits a thousand tasks pushes them in one frame. */
  pumpSoon(cls: SchedulingClass): void {
    if (this.#dirty.size === 0) {
      this.#deps.clock.microtask(() => {
        const dirty = [...this.#dirty]
        this.#dirty.clear()
        for (const each of dirty) this.#deps.leases.pump(each)
      })
    }
    this.#dirty.add(cls)
  }
}

function schedulingOf({ scheduling }: TaskKind): ClassSpec {
  if (scheduling === undefined) throw new Error('an actor call was queued for a lease')
  return scheduling
}

function wait(record: TaskRecord): void {
  record.phase = QUEUED
  record.peer = undefined
}
