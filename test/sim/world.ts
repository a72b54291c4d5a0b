// A simulated cluster: nodes and drivers made of the real parts, on the ports of the simulation.
// A node is a raylet process with an arena, a disk and its workers; nodes share one network and one
// GCS storage. Everything that is random comes from the seed.
import { silentLog } from '../../runtime/common/log.ts'
import { newJobId, newWorkerId, toHex, type NodeId } from '../../runtime/common/ids.ts'
import { systemHash } from '../../runtime/common/random-system.ts'
import { nodeResourcesOf } from '../../runtime/common/resource-demand.ts'
import type { ResourceSet } from '../../runtime/common/resources.ts'
import { systemContext } from '../../runtime/core-worker/context-system.ts'
import type { CoreWorker } from '../../runtime/core-worker/core-worker.ts'
import { registry } from '../../runtime/core-worker/registry-system.ts'
import { startCoreWorker, type StartDeps } from '../../runtime/core-worker/start.ts'
import { systemStackView } from '../../runtime/core-worker/stack-view-loader.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { ObjectStore } from '../../runtime/objects/store.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'
import type { ClusterPorts } from '../../runtime/raylet/cluster/cluster-member.ts'
import { Raylet } from '../../runtime/raylet/raylet.ts'
import { aJob, deafNotices } from '../support/a-driver.ts'
import { SimCollector } from './collector.ts'
import { SimDisk, type DiskQuality } from './disk.ts'
import type { Draw } from './draw.ts'
import { simLauncher, sources, type SimWorker } from './launcher.ts'
import { SimArena } from './memory.ts'
import { SimNetwork } from './network.ts'
import { openSimStore, type SimSpillBucket } from './node-store.ts'
import type { Plan } from './plan.ts'
import { Probes } from './probes.ts'
import { SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'
import type { ServiceQuality } from './service.ts'
import { simStorage } from './storage.ts'
import { SimTables } from './tables.ts'

export interface SimNode {
  readonly name: string
  /** What the addresses of its processes begin with: the node, if it is one of several. */
  readonly where: string
  readonly process: SimProcess
  readonly raylet: Raylet
  readonly arena: SimArena
  readonly disk: SimDisk
  /** Opened when the first client comes. */
  store: ObjectStore | undefined
  readonly workers: SimWorker[]
}

/** What a node of several has beside its own. */
export interface NodeOfSeveral {
  readonly nodeId: NodeId
  readonly epoch: number
  readonly cluster: ClusterPorts
  readonly storage: Storage
  /** Of its own way to the storage. */
  readonly quality: ServiceQuality
  readonly disk: DiskQuality
  /** Absent: it spills to its disk alone. */
  readonly bucket?: SimSpillBucket
}

export interface SimDriver {
  readonly process: SimProcess
  readonly core: CoreWorker
  readonly collector: SimCollector
}

const DAMAGE = new Set(['ObjectCorruptedError', 'ObjectLostError'])

export class World {
  readonly scheduler = new Scheduler()
  readonly probes: Probes
  readonly network: SimNetwork
  readonly storage = new SimTables()
  readonly nodes: SimNode[] = []
  readonly drivers: SimDriver[] = []
  readonly plan: Plan
  readonly #draw: Draw
  readonly #collectors = new Map<SimProcess, SimCollector>()
  readonly #waiting: { condition(): boolean; resolve(): void }[] = []
  #nextPid = 1
  /** What happened that may make a call fail. */
  crashCount = 0
  #stillbornInRow = 0
  cancelCount = 0
  killCount = 0
  keepCount = 0
  readonly #byPid = new Map<number, SimProcess>()

  constructor(draw: Draw, plan: Plan, probes = new Probes()) {
    this.#draw = draw
    this.probes = probes
    this.plan = plan
    this.network = new SimNetwork({
      scheduler: this.scheduler,
      draw: draw.fork('network'),
      probes: this.probes,
      quality: plan.link,
    })
  }

  /** Whether spilled bytes that were found damaged may have caused this: what a result was made of
   *  may have been put. */
  isDamage(names: readonly string[]): boolean {
    const isDamaged = this.nodes.some(({ disk }) => disk.damageCount > 0)
    return isDamaged && names.some((name) => DAMAGE.has(name))
  }

  newProcess(name: string): SimProcess {
    const process = new SimProcess(this.scheduler, name, this.#nextPid++)
    this.#byPid.set(process.pid, process)
    return process
  }

  processOf(pid: number): SimProcess {
    const process = this.#byPid.get(pid)
    if (process === undefined) throw new Error(`no process ${String(pid)}`)
    return process
  }

  /** Those that run. */
  processes(): SimProcess[] {
    return [...this.#byPid.values()].filter(({ alive }) => alive)
  }

  /** Resolves after the event that makes it true. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ condition, resolve })
    })
  }

  tellWaiters(): void {
    for (const each of [...this.#waiting]) {
      if (!each.condition()) continue
      this.#waiting.splice(this.#waiting.indexOf(each), 1)
      each.resolve()
    }
  }

  /** A fault: that process is gone from this moment on. */
  crash(process: SimProcess): void {
    if (!process.alive) return
    this.crashCount += 1
    process.end({ code: null, signal: 'SIGKILL' })
  }

  collectorOf(process: SimProcess): SimCollector {
    let collector = this.#collectors.get(process)
    if (collector === undefined) {
      collector = new SimCollector()
      this.#collectors.set(process, collector)
    }
    return collector
  }

  /**
   * A node of its own; resolves when drivers may connect.
   * @param oneOf  what makes it one of several.
   */
  async startNode(name: string, oneOf?: (process: SimProcess) => NodeOfSeveral): Promise<SimNode> {
    const { plan, probes, scheduler } = this
    const process = this.newProcess(name)
    const several = oneOf?.(process)
    const where = several === undefined ? '' : addressOf(several)
    const draw = this.#draw.fork(name)
    const arena = new SimArena(scheduler, draw.fork('arena'), plan.arenaBytes)
    const { quality, bucket } = spillsOf(plan, several)
    const disk = new SimDisk(process, { draw: draw.fork('disk'), probes, quality })
    const workers: SimWorker[] = []
    const node: { -readonly [K in keyof SimNode]?: SimNode[K] } = {
      name,
      where,
      process,
      arena,
      disk,
    }
    const launching = draw.fork('launcher')
    const raylet = new Raylet(
      {
        transport: this.network.transport(process),
        launcher: simLauncher({
          rayletAddress: name,
          raylet: process,
          newProcess: (workerName) => this.newProcess(`${name}/${workerName}`),
          depsOf: (worker) => this.#depsOf(worker, { where, arena, disk }),
          startMs: () => launching.between(5, 60),
          noticeMs: () => launching.between(0, 5),
          isStillborn: () => this.#isStillborn(launching),
          started: (worker) => workers.push(worker),
        }),
        openStore: (...of) => {
          const { arenaBytes: sizeBytes } = plan
          const parts = { process, arena, disk, sizeBytes, bucket }
          const opened = openSimStore(parts, ...of)
          node.store = opened.store
          return Promise.resolve(opened)
        },
        storage: simStorage(process, several?.storage ?? this.storage, {
          scheduler: this.scheduler,
          draw: draw.fork('storage'),
          probes,
          quality: several?.quality ?? plan.storage,
          asLate: (run) => this.storage.late(run),
        }),
        ...(several && { cluster: several.cluster }),
        clock: process.clock,
        random: draw.fork('raylet'),
        hash: systemHash,
        log: silentLog,
        codec: new ValueCodec(),
      },
      {
        address: name,
        sessionDir: name,
        totals: totalsOf(plan),
        workersMax: plan.workersMax,
        owned: false,
        ...(several && { nodeId: several.nodeId }),
        epoch: several?.epoch ?? 1,
        pid: process.pid,
      },
    )
    const made = Object.assign(node, { raylet, workers, store: undefined }) as SimNode
    this.nodes.push(made)
    await raylet.start()
    return made
  }

  /** @param isDurable  whether its job is. */
  async startDriver(name: string, node: SimNode, isDurable = false): Promise<SimDriver> {
    const process = this.newProcess(name)
    const random = this.#draw.fork(name)
    const jobId = newJobId(random)
    const core = await startCoreWorker(
      this.#depsOf(process, node),
      {
        role: 'driver',
        rayletAddress: node.name,
        workerId: newWorkerId(random),
        address: name,
        pid: process.pid,
        job: {
          ...aJob({ jobId, name, namespace: toHex(jobId) }),
          ...(isDurable ? { durable: true } : {}),
        },
      },
      () => deafNotices,
    )
    registry().currentCoreWorker ??= core
    const driver = { process, core, collector: this.collectorOf(process) }
    this.drivers.push(driver)
    return driver
  }

  /** Workers of all nodes that run. */
  workers(): SimWorker[] {
    return this.nodes.flatMap((node) => node.workers.filter(({ process }) => process.alive))
  }

  /** Never three in a row: that ends their class for good, as tests of the raylet show. */
  #isStillborn(draw: Draw): boolean {
    const isStillborn = draw.chance(this.plan.stillbornChance) && this.#stillbornInRow < 2
    this.#stillbornInRow = isStillborn ? this.#stillbornInRow + 1 : 0
    if (!isStillborn) return false
    this.probes.hit('a worker dies before it says hello')
    this.crashCount += 1
    return true
  }

  #depsOf(
    process: SimProcess,
    { where, arena, disk }: Pick<SimNode, 'where' | 'arena' | 'disk'>,
  ): StartDeps {
    const transport = this.network.transport(process)
    return {
      transport: {
        listen: (address, onConnection) => transport.listen(where + address, onConnection),
        connect: (address) => transport.connect(address),
      },
      clock: process.clock,
      random: this.#draw.fork(`random of ${process.name}`),
      hash: systemHash,
      finalization: this.collectorOf(process),
      context: systemContext,
      stackView: systemStackView,
      openMemory: () => ({ client: arena.client(process), direct: disk.directFor(process) }),
      sources,
    }
  }
}

/** Where it spills to. */
const spillsOf = (
  { disk }: Plan,
  several: NodeOfSeveral | undefined,
): { readonly quality: DiskQuality; readonly bucket: SimSpillBucket | undefined } => ({
  quality: several?.disk ?? disk,
  bucket: several?.bucket,
})

const totalsOf = ({ resources, cpus }: Plan): ResourceSet =>
  nodeResourcesOf({ resources }, { numCpus: cpus, numGpus: 0, memoryBytes: 2 ** 32 })

const addressOf = ({ nodeId, epoch }: NodeOfSeveral): string =>
  `127.0.0.1:1/${toHex(nodeId)}/${String(epoch)}@`
