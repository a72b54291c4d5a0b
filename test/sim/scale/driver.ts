// A driver that submits many tasks of one kind and holds leases for them, as core-worker/leases.ts
// does: it says how many it could use, has one task run at a time on each lease, and gives a lease
// back when nothing is left to run. It works at its own pace: dialling a worker and passing a task
// cost it CPU time.
import { newWorkerId, type WorkerId } from '../../../runtime/common/ids.ts'
import type { Random } from '../../../runtime/common/random.ts'
import { UNITS_PER_ONE } from '../../../runtime/common/resources.ts'
import type { ClassSpec } from '../../../runtime/protocol/messages.ts'
import { DIAL_MS, LINK_MS, TASK_MS } from './costs.ts'
import type { ScaleNode } from './node.ts'
import { Server } from './server.ts'
import type { VirtualTime } from './virtual-time.ts'

const SPEC: ClassSpec = {
  demand: { CPU: UNITS_PER_ONE },
  strategy: { kind: 'DEFAULT' },
  labelSelectors: [],
  env: undefined,
  name: 'work',
  inspect: false,
  retriable: true,
}

export interface DriverLoad {
  readonly tasks: number
  /** Of the next task. */
  durationMs(): number
}

export interface DriverDeps {
  readonly time: VirtualTime
  readonly random: Random
}

export class ScaleDriver {
  readonly #client: WorkerId
  readonly #home: ScaleNode
  readonly #time: VirtualTime
  readonly #server: Server
  readonly #load: DriverLoad
  /** Returned when the task that runs there ends. */
  readonly #reclaimed = new Set<number>()
  #queued: number
  running = 0
  done = 0
  granted = 0
  /** Task ends and dials by now, for rates. */
  leases = 0

  constructor(home: ScaleNode, load: DriverLoad, { time, random }: DriverDeps) {
    this.#client = newWorkerId(random)
    this.#home = home
    this.#time = time
    this.#server = new Server(time)
    this.#load = load
    this.#queued = load.tasks
  }

  start(): void {
    this.#home.addDriver(this.#client, {
      granted: ({ leaseId, address }) => {
        this.granted += 1
        this.leases += 1
        const isHere = address.startsWith(this.#home.id)
        this.#server.serve(0, isHere ? 0.1 : DIAL_MS, () => {
          this.#next(leaseId)
        })
      },
      reclaim: (leaseId) => this.#reclaimed.add(leaseId),
    })
    const message = { client: this.#client, classId: 0, count: this.#queued, spec: SPEC }
    this.#home.fromDriver({ kind: 'wantLeases', ...message })
  }

  #next(leaseId: number): void {
    if (this.#queued === 0 || this.#reclaimed.delete(leaseId)) {
      this.#giveBack(leaseId)
      return
    }
    this.#queued -= 1
    this.running += 1
    const endsInMs = this.#load.durationMs() + 2 * LINK_MS
    this.#time.after(endsInMs, () => {
      this.running -= 1
      this.done += 1
      this.#server.serve(0, TASK_MS, () => {
        this.#next(leaseId)
      })
    })
  }

  #giveBack(leaseId: number): void {
    this.leases -= 1
    const { leases } = this
    if (this.#queued === 0) {
      this.#home.fromDriver({
        ...{ kind: 'wantLeases', client: this.#client, classId: 0, count: leases },
        spec: undefined,
      })
    }
    this.#home.fromDriver({ kind: 'returnLease', client: this.#client, leaseId, retire: false })
  }
}
