// Looks at the memory of this node and of its workers every MEMORY_CHECK_MS, and tells the brain;
// while no lease is held, every MEMORY_CHECK_IDLE_MS, so that an idle node hardly wakes.
// It also knows when the process of a driver that has left is gone: until then it may still map
// objects, so its pins stay. Most end soon after they left, so for LEAVING_MS it looks often; a
// program that goes on without its cluster is looked at no oftener than an idle node.
import type { Clock, Timer } from '../common/clock.ts'
import { MEMORY_CHECK_IDLE_MS, MEMORY_CHECK_MS } from '../common/limits.ts'
import type { WorkerId } from '../common/ids.ts'
import type { MemoryProbe } from './memory-probe.ts'
import type { RayletState } from './state.ts'
import type { MemorySample } from './turn.ts'

/** Workers whose memory is read at one time; more take turns. */
const MEMORY_PIDS_MAX = 128
/** How long a program that has left is expected to take to its end. */
const LEAVING_MS = 1_000

export interface MemoryWatchDeps {
  readonly state: RayletState
  readonly clock: Clock
  /** Absent: memory is not watched, and who leaves is taken to be gone. */
  readonly memory?: MemoryProbe
}

export interface MemoryWatchEvents {
  sampled(sample: MemorySample): void
  sawPeak(workerId: WorkerId, peakRssBytes: number): void
  /** The process of a driver that had left is gone. */
  gone(client: WorkerId): void
}

export class MemoryWatch {
  readonly #deps: MemoryWatchDeps
  readonly #events: MemoryWatchEvents
  /** Drivers that have left by their socket, and their processes. */
  readonly #leaving = new Map<WorkerId, number>()
  #leftAtMs = -Infinity
  #timer: Timer | undefined
  /** Whether the timer waits for as long as an idle node may. */
  #isSlow = false
  #from = 0

  constructor(deps: MemoryWatchDeps, events: MemoryWatchEvents) {
    this.#deps = deps
    this.#events = events
  }

  start(): void {
    if (this.#deps.memory === undefined) return
    this.#isSlow = this.#isIdle()
    const waitMs = this.#isSlow ? MEMORY_CHECK_IDLE_MS : MEMORY_CHECK_MS
    this.#timer = this.#deps.clock.after(waitMs, () => {
      this.start()
      this.#check()
    })
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** The brain has done something. Cheap: it is told so often. */
  changed(): void {
    if (!this.#isSlow || this.#timer === undefined || this.#isIdle()) return
    this.#timer.cancel()
    this.start()
  }

  #isIdle(): boolean {
    if (this.#deps.state.leases.size > 0) return false
    return this.#leaving.size === 0 || this.#deps.clock.monotonicMs() - this.#leftAtMs >= LEAVING_MS
  }

  /** A driver's socket has closed. */
  left(client: WorkerId, pid: number): void {
    this.#leaving.set(client, pid)
    this.#leftAtMs = this.#deps.clock.monotonicMs()
    this.#letLeaversGo()
    this.changed()
  }

  /** Looks at one worker now: it has just begun, or is about to be killed. */
  look(workerId: WorkerId, pid: number): void {
    const memory = this.#deps.memory?.read([pid])?.processes.get(pid)
    if (memory !== undefined) this.#events.sawPeak(workerId, memory.peakRssBytes)
  }

  #letLeaversGo(): void {
    if (this.#leaving.size === 0) return
    const alive = this.#deps.memory?.read([...this.#leaving.values()])?.processes
    for (const [client, pid] of this.#leaving) {
      if (alive?.has(pid) === true) continue
      this.#leaving.delete(client)
      this.#events.gone(client)
    }
  }

  #check(): void {
    this.#letLeaversGo()
    const workers = [...this.#deps.state.workers.values()].filter((worker) => worker.pid > 0)
    if (workers.length === 0) return
    const from = workers.length <= MEMORY_PIDS_MAX ? 0 : this.#from % workers.length
    const watched = [...workers.slice(from), ...workers.slice(0, from)].slice(0, MEMORY_PIDS_MAX)
    this.#from = from + MEMORY_PIDS_MAX
    const reading = this.#deps.memory?.read(watched.map((worker) => worker.pid))
    if (reading === undefined) return
    const rssBytes = new Map<WorkerId, number>()
    for (const { pid, workerId } of watched) {
      const memory = reading.processes.get(pid)
      if (memory === undefined) continue
      rssBytes.set(workerId, memory.rssBytes)
      this.#events.sawPeak(workerId, memory.peakRssBytes)
    }
    const { usedBytes, totalBytes } = reading
    this.#events.sampled({ usedBytes, totalBytes, rssBytes })
  }
}
