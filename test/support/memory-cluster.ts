// A whole cluster inside this process, on a network that can fail: the real raylet, driver and
// workers, with a clock that may run fast. Programs run inside `run`.
import { systemClock } from '../../runtime/common/clock-system.ts'
import type { Clock } from '../../runtime/common/clock.ts'
import { systemFinalization } from '../../runtime/common/finalization-system.ts'
import { newJobId, newWorkerId, toHex, type WorkerId } from '../../runtime/common/ids.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../runtime/common/random-system.ts'
import { nodeResourcesOf } from '../../runtime/common/resource-demand.ts'
import { systemContext } from '../../runtime/core-worker/context-system.ts'
import type { CoreWorker } from '../../runtime/core-worker/core-worker.ts'
import type { Runnable } from '../../runtime/core-worker/run-task.ts'
import { readHomeFile } from '../../runtime/core-worker/function-source-file.ts'
import { Sources } from '../../runtime/core-worker/function-sources.ts'
import { captureHomes, lookup } from '../../runtime/core-worker/functions.ts'
import { registry } from '../../runtime/core-worker/registry-system.ts'
import { systemStackView } from '../../runtime/core-worker/stack-view-loader.ts'
import {
  startCoreWorker,
  type ExtraNotices,
  type StartDeps,
} from '../../runtime/core-worker/start.ts'
import { WorkerSide } from '../../runtime/core-worker/worker-side.ts'
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import { MemoryArena } from '../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../runtime/objects/spill-memory.ts'
import { ObjectStore } from '../../runtime/objects/store.ts'
import type { JobSpec, Welcome } from '../../runtime/protocol/messages.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'
import { Raylet } from '../../runtime/raylet/raylet.ts'
import type { WorkerEvents, WorkerHandle } from '../../runtime/raylet/worker-launcher.ts'
import { liveUntilTold } from '../../runtime/worker/life.ts'
import { aJob, deafNotices } from './a-driver.ts'
import { FaultyNetwork, type FaultyNetworkOptions } from './faulty-network.ts'

const STORE_BYTES = 64 * 1024 * 1024
const sources = new Sources({ read: readHomeFile, hash: systemHash })

export interface MemoryClusterOptions extends Omit<FaultyNetworkOptions, 'clock'> {
  readonly numCpus?: number
  readonly numGpus?: number
  /** How many times faster than the machine's its clock runs. Default 1. */
  readonly speed?: number
}

export interface MemoryWorker {
  readonly name: string
  readonly worker: CoreWorker
}

export class MemoryCluster {
  readonly network: FaultyNetwork
  /** Living workers by name. */
  readonly workers = new Map<string, MemoryWorker>()
  /** What `setGpus` was told, by worker. */
  readonly gpusOf = new Map<string, readonly number[]>()
  readonly #clock: Clock
  readonly #arena = new MemoryArena({ sizeBytes: STORE_BYTES })
  readonly #spill = new MemorySpill({ capacityBytes: STORE_BYTES })
  readonly #killed = new Map<string, (signal: string) => void>()
  #driver: CoreWorker | undefined
  #raylet: Raylet | undefined
  #store: ObjectStore | undefined

  private constructor(options: MemoryClusterOptions) {
    this.#clock = fastClock(options.speed ?? 1)
    this.network = new FaultyNetwork({ ...options, clock: this.#clock })
  }

  static async start(options: MemoryClusterOptions = {}): Promise<MemoryCluster> {
    captureHomes(sources)
    const cluster = new MemoryCluster(options)
    await cluster.#startRaylet(options)
    cluster.#driver = await cluster.#startProcess(
      'driver',
      newWorkerId(systemRandom),
      () => deafNotices,
    )
    registry().currentCoreWorker = cluster.#driver
    return cluster
  }

  get driver(): CoreWorker {
    if (this.#driver === undefined) throw new Error('the cluster has no driver yet')
    return this.#driver
  }

  get store(): ObjectStore {
    if (this.#store === undefined) throw new Error('the cluster has no store yet')
    return this.#store
  }

  /** Runs a program as this cluster's driver. */
  run<T>(program: () => Promise<T>): Promise<T> {
    return systemContext.run(this.driver.rootScope, program)
  }

  /**
   * Runs a program as `run` does, and waits no longer than that.
   * @param limitMs  of the machine's clock, not of the cluster's.
   * @returns what it resolved or rejected with; 'HUNG' when it did neither.
   */
  async outcomeOf(program: () => Promise<unknown>, limitMs: number): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined
    const hung = new Promise((resolve) => {
      timer = setTimeout(resolve, limitMs, 'HUNG')
    })
    try {
      return await Promise.race([this.run(program).catch((error: unknown) => error), hung])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends a process at once, as SIGKILL does. */
  kill(name: string): void {
    this.network.kill(name)
    this.workers.delete(name)
    this.#killed.get(name)?.('SIGKILL')
  }

  async stop(): Promise<void> {
    if (registry().currentCoreWorker === this.#driver) registry().currentCoreWorker = undefined
    await this.#driver?.close()
    await this.#raylet?.stop()
  }

  async #startRaylet({ numCpus = 2, numGpus = 0 }: MemoryClusterOptions): Promise<void> {
    this.#raylet = new Raylet(
      {
        transport: this.network.transportOf('raylet'),
        launcher: { start: ({ workerId }, events) => this.#startWorker(workerId, events) },
        openStore: (clients) => {
          this.#store = new ObjectStore(
            { arena: this.#arena, spill: this.#spill, clock: this.#clock, log: silentLog, clients },
            { sizeBytes: STORE_BYTES },
          )
          const arena = { kind: 'memory', path: '', sizeBytes: STORE_BYTES } as const
          return Promise.resolve({ store: this.#store, arena })
        },
        storage: new MemoryStorage(),
        clock: this.#clock,
        random: systemRandom,
        hash: systemHash,
        log: silentLog,
        codec: new ValueCodec(),
      },
      {
        address: 'raylet',
        sessionDir: 'memory',
        totals: nodeResourcesOf({}, { numCpus, numGpus, memoryBytes: 1024 ** 3 }),
        labels: {},
        workersMax: 64,
        owned: false,
        epoch: 1,
        pid: process.pid,
      },
    )
    await this.#raylet.start()
  }

  #startProcess(
    name: string,
    workerId: WorkerId,
    extra: (worker: CoreWorker) => ExtraNotices,
  ): Promise<CoreWorker> {
    return startCoreWorker(
      {
        transport: this.network.transportOf(name),
        clock: this.#clock,
        random: systemRandom,
        hash: systemHash,
        finalization: systemFinalization,
        context: systemContext,
        stackView: systemStackView,
        openMemory: this.#openMemory,
        sources,
      },
      {
        role: name === 'driver' ? 'driver' : 'worker',
        rayletAddress: 'raylet',
        workerId,
        address: `at-${name}`,
        pid: process.pid,
        ...(name === 'driver' ? { job: newJob() } : {}),
      },
      extra,
    )
  }

  readonly #openMemory: StartDeps['openMemory'] = (_: Welcome['arena']) => ({
    client: this.#arena.open(),
    direct: this.#spill.direct,
  })

  #startWorker(workerId: WorkerId, events: WorkerEvents): WorkerHandle {
    const name = `worker-${toHex(workerId).slice(0, 8)}`
    let gone = false
    const left = (exit: { code: number | null; signal: string | null }): void => {
      if (gone) return
      gone = true
      this.network.kill(name)
      this.workers.delete(name)
      this.#killed.delete(name)
      this.#clock.immediate(() => {
        events.exited(exit)
      })
    }
    this.#killed.set(name, (signal) => {
      left({ code: null, signal })
    })
    this.#startProcess(name, workerId, (worker) => {
      this.workers.set(name, { name, worker })
      return this.#workerNotices(name, worker, (code) => {
        left({ code, signal: null })
      })
    }).catch(() => {
      left({ code: 1, signal: null })
    })
    return {
      pid: process.pid,
      signal: (signal) => {
        left({ code: null, signal })
      },
      pauseOutput: () => undefined,
      resumeOutput: () => undefined,
    }
  }

  #workerNotices(name: string, worker: CoreWorker, exit: (code: number) => void): ExtraNotices {
    const side = new WorkerSide(worker, {
      load: (identity) => lookup(identity, sources).fn as unknown as Runnable,
      setGpus: (gpuIds) => this.gpusOf.set(name, gpuIds),
      exit,
      collectsWhenIdle: true,
    })
    return liveUntilTold(worker, side, exit)
  }
}

function newJob(): JobSpec {
  const jobId = newJobId(systemRandom)
  return aJob({ jobId, name: 'test', namespace: toHex(jobId) })
}

function fastClock(speed: number): Clock {
  if (speed === 1) return systemClock
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * speed,
    after: (delayMs, run) => systemClock.after(delayMs / speed, run),
  }
}
