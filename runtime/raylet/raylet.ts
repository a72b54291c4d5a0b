// The shell around the brain: performs its effects and brings back what they cause.
// Everything it touches comes as a port (raylet-ports.ts), so that it runs as a process of its own
// (main.ts), inside a driver (inline mode), and in simulation.
// Invariant:
//   Z1. After stop() nothing of this raylet is left: no worker, no socket, no arena.
import { ProtocolError } from '../common/errors.ts'
import { newNodeId, toHex, type WorkerId, type ObjectId } from '../common/ids.ts'
import { OWNER_HELLO_MS } from '../common/limits.ts'
import { UNITS_PER_ONE } from '../common/resources.ts'
import type { Connection, Listener } from '../protocol/connection.ts'
import type { Hello, Welcome } from '../protocol/messages.ts'
import { ClusterView } from '../scheduling/cluster-view.ts'
import { Brain, type ShellEffect } from './brain.ts'
import type { ClusterPorts } from './cluster/cluster-member.ts'
import { ClientLink, type LinkHost, type Stimulus } from './client-link.ts'
import { ClientLinks } from './client-links.ts'
import { forwardOutput, nameOfWorker } from './forward-output.ts'
import { GcsWriter } from './gcs-writer.ts'
import { JobStore } from './job-store.ts'
import { LastSummary } from './last-summary.ts'
import { MemoryWatch } from './memory-watch.ts'
import { locateHere } from './cluster/object-places.ts'
import type { ObjectPulls } from './cluster/object-pulls.ts'
import { ProgressBook } from './progress.ts'
import type { StoreClients } from '../objects/store.ts'
import type { RayletDeps, RayletOptions } from './raylet-ports.ts'
import { ClusterSide } from './cluster/cluster-side.ts'
import { SilentWaits } from './cluster/silent-waits.ts'
import { StateQueries } from './state-queries.ts'
import { createState, type Job, type NodeConfig, type RayletState } from './state.ts'
import type { NoticeEffect } from './turn.ts'
import { TaskLog } from './task-log.ts'
import { jobOfHello } from './welcome.ts'
import { WorkerProcesses } from './worker-processes.ts'

type Exited = Extract<Stimulus, { kind: 'workerExited' }>

/** How long workers may take to leave by themselves when the raylet stops. */
const STOP_GRACE_MS = 300
/** The same while somebody watches, who is to hear how far they came. */
const WATCHED_STOP_GRACE_MS = 2_000
/** How long it waits for processes that were killed. */
const STOP_KILL_MS = 2_000

export class Raylet {
  readonly state: RayletState
  readonly #deps: RayletDeps
  readonly #options: RayletOptions
  readonly #links: ClientLinks
  readonly #processes: WorkerProcesses
  readonly #brain: Brain
  readonly #objects: JobStore
  readonly #taskLog: TaskLog
  readonly #queries: StateQueries
  readonly #gcs: GcsWriter
  readonly #memory: MemoryWatch
  readonly #progress = new ProgressBook()
  readonly #last: LastSummary
  readonly #silent: SilentWaits
  /** Absent where the cluster is this node alone. */
  readonly #cluster: ClusterSide | undefined
  #listener: Listener | undefined
  #nodeAddress: string | undefined
  #stopping: Promise<void> | undefined
  /** Called once when nobody needs this raylet any more and it has stopped. */
  onLeft: (() => void) | undefined

  constructor(deps: RayletDeps, options: RayletOptions) {
    this.#deps = deps
    this.#options = options
    this.#taskLog = new TaskLog(deps.hash)
    this.#last = new LastSummary(deps.clock)
    this.#silent = new SilentWaits(deps.clock)
    const cpus = (options.totals['CPU'] ?? 0) / UNITS_PER_ONE
    const nodeId = options.nodeId ?? newNodeId(deps.random)
    const config: NodeConfig = {
      nodeId,
      epoch: options.epoch,
      totals: options.totals,
      labels: options.labels ?? {},
      cpuCount: options.prestart ?? Math.ceil(cpus),
      workersMax: options.workersMax,
      owned: options.owned,
      isGcsHost: deps.cluster === undefined || deps.cluster.host !== undefined,
    }
    const { random } = deps
    const view = new ClusterView([], toHex(nodeId))
    const several = deps.cluster && { view, random, shunned: new Map() }
    this.state = createState(config, several)
    this.#brain = new Brain(this.state, deps.clock, (effect) => {
      this.#perform(effect)
    })
    this.#links = new ClientLinks(this.state)
    const askRelease = (): void => {
      this.#links.shedMemory()
    }
    const describe = (client: string): string => this.#links.describe(client as WorkerId)
    const spilled: StoreClients['spilled'] = (objectId, range) => {
      this.#cluster?.places.spilled(objectId, range)
    }
    const clients = { askRelease, describe, spilled }
    this.#objects = new JobStore(() => deps.openStore(clients, this.state.config))
    this.#processes = new WorkerProcesses(deps, {
      nameOf: (workerId) => nameOfWorker(this.state, workerId),
      forward: (jobId, lines, isLast) => {
        const { state } = this
        return forwardOutput(
          { state, links: this.#links, cluster: this.#cluster },
          jobId,
          lines,
          isLast,
        )
      },
      exited: (exit, missingDir) => {
        this.#exited(exit, missingDir)
      },
    })
    this.#gcs = new GcsWriter(deps, (stimulus) => {
      this.#brain.tell(stimulus)
    })
    this.#queries = new StateQueries({
      ...{ state: this.state, clock: deps.clock, taskLog: this.#taskLog, progress: this.#progress },
      silent: this.#silent,
      store: () => this.#objects.store,
      where: whereOf(options),
      units: deps.units,
    })
    this.#memory = this.#makeMemoryWatch()
    this.#cluster = deps.cluster && this.#makeClusterSide(deps.cluster)
  }

  #makeClusterSide(cluster: ClusterPorts): ClusterSide {
    return new ClusterSide({
      ...{ ...this.#deps, cluster, state: this.state, brain: this.#brain },
      ...{ objects: this.#objects, queries: this.#queries, processes: this.#processes },
      silent: this.#silent,
      isHere: (client) => this.#links.has(client),
      refersTo: (objectIds) => this.#links.refersTo(objectIds),
      drain: (graceMs) => {
        this.drain(graceMs)
      },
      livesEnded: (ended) => {
        this.#links.livesEnded(ended)
      },
    })
  }

  #makeMemoryWatch(): MemoryWatch {
    return new MemoryWatch(
      { ...this.#deps, state: this.state },
      {
        sampled: (sample) => {
          this.#brain.tell({ kind: 'memory', sample })
        },
        sawPeak: (workerId, peakRssBytes) => {
          this.#processes.sawMemory(workerId, peakRssBytes)
        },
        gone: (client) => {
          this.#objects.clientExited(client)
        },
      },
    )
  }

  get address(): string {
    return this.#options.address
  }

  /** Listen; resolves when clients may connect, and other nodes know this one. */
  async start(): Promise<void> {
    const { transport, clock } = this.#deps
    // First: others may have work run here as soon as they know of it, and its workers dial.
    this.#listener = await transport.listen(this.#options.address, (connection) => {
      this.#connected(connection)
    })
    this.#nodeAddress = await this.#cluster?.start(this.#options.pid)
    this.#memory.start()
    if (this.#options.owned) {
      clock.after(OWNER_HELLO_MS, () => {
        if (this.state.jobs.size === 0) this.#brain.tell({ kind: 'leave' })
      })
    }
    if (this.#cluster === undefined) {
      this.#gcs.node(this.state.config, whereOf(this.#options), 'ALIVE')
    }
  }

  /** By which other nodes reach this one; undefined where there are none. */
  get nodeAddress(): string | undefined {
    return this.#nodeAddress
  }

  /**
   * Takes nothing new, lets what runs end within `graceMs`, then stops; see onLeft.
   */
  drain(graceMs: number): void {
    if (this.#cluster !== undefined) this.#cluster.drain()
    else this.#gcs.node(this.state.config, whereOf(this.#options), 'DRAINING')
    this.#brain.tell({ kind: 'drain', graceMs })
  }

  /**
   * End all workers, close all connections and the store. May be repeated.
   * @param reason  what drivers are told, where it is not known to who stops the cluster.
   */
  stop(reason?: string): Promise<void> {
    if (reason !== undefined) this.#links.tellDrivers(reason)
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#brain.stop()
    await this.#cluster?.stop()
    this.#memory.stop()
    this.#gcs.close()
    this.#links.askWorkersToExit((workerId) => {
      this.#processes.signal(workerId, 'SIGKILL')
    })
    const graceMs = this.#last.isWatched ? WATCHED_STOP_GRACE_MS : STOP_GRACE_MS
    await this.#processes.endAll({ graceMs, killMs: STOP_KILL_MS })
    await this.#last.tell(
      () => this.#progress.rows(),
      () => this.#links.hasWorkers,
    )
    this.#links.close()
    await this.#listener?.close()
    await this.#cluster?.leave()
    await this.#objects.close()
    this.onLeft?.()
  }

  #connected(connection: Connection): void {
    const { clock, codec } = this.#deps
    const host: LinkHost = {
      clock,
      codec,
      store: () => this.#objects.store,
      pin: (client, objectId, hints) => this.#reached.pin(client, objectId, hints),
      unwant: (client, objectId) => this.#cluster?.objects.unwant(client, objectId),
      free: (objectIds, at) => {
        if (this.#cluster === undefined) this.#objects.store.free(objectIds)
        else this.#cluster.objects.free(objectIds, at)
      },
      drop: (objectIds) => {
        const { store } = this.#objects
        if (this.#cluster === undefined) store.free(objectIds)
        else this.#cluster.objects.drop(objectIds)
      },
      making: (objectId) => this.#cluster?.objects.giveWay(objectId),
      sealing: (objectId) => {
        this.#cluster?.jobs.sealing(objectId as ObjectId)
      },
      locate: (sought) =>
        this.#cluster?.locate(sought) ?? locateHere(this.#objects.store, sought.objectIds),
      handOn: async (objectIds) => ({ kept: (await this.#cluster?.handOn(objectIds)) ?? [] }),
      welcome: (link, hello) => this.#welcome(link, hello),
      tell: (stimulus) => {
        this.#brain.tell(stimulus)
      },
      ask: (stimulus) => this.#brain.ask(stimulus),
      closed: (link) => {
        this.#closed(link)
      },
      taskEvents: (message) => {
        this.#taskLog.add(message)
      },
      progress: (client, functions) => {
        const jobId = this.state.clients.get(client)?.jobId
        if (jobId !== undefined)
          this.#progress.report(client, jobId, functions, clock.monotonicMs())
      },
      awaitStop: (client) => this.#last.wait(client),
      query: (message) => {
        const own = this.#queries.answer(message)
        return this.#cluster?.query(message, own) ?? own
      },
      lineage: this.#cluster?.lineage,
      drainOutput: async (client) => {
        const jobId = this.state.clients.get(client)?.jobId
        if (jobId === undefined) return
        const elsewhere = this.#cluster?.drainOutput(jobId)
        await Promise.all([this.#processes.drainOutput(jobId), elsewhere])
      },
      stop: () => {
        this.#cluster?.clusterEnds()
        this.#brain.tell({ kind: 'leave' })
      },
    }
    new ClientLink(connection, host)
  }

  /** Objects here, and of other nodes if there are any. */
  get #reached(): Pick<ObjectPulls, 'pin'> {
    return this.#cluster?.objects ?? this.#objects.store
  }

  async #welcome(link: ClientLink, hello: Hello): Promise<Welcome> {
    const { workerId: client, role, pid, address } = hello
    if (this.#links.has(client)) throw new ProtocolError('this client is connected already')
    const job = jobOfHello(this.state, hello, this.#deps.random)
    this.#links.add(client, link)
    const own = role === 'driver' ? job : undefined
    this.#brain.tell({ kind: 'clientConnected', client, role, pid, address, job: own })
    if (own !== undefined) this.#cluster?.jobBegan(own)
    if (role === 'worker') this.#memory.look(client, pid)
    const { arena } = await this.#objects.open()
    return {
      nodeId: this.state.config.nodeId,
      epoch: this.state.config.epoch,
      jobId: job.jobId,
      namespace: job.namespace,
      sessionDir: this.#options.sessionDir,
      arena,
      totals: this.#options.totals,
      job,
      ...(this.#cluster === undefined ? {} : { keepsLineage: true }),
      ...(this.#cluster?.places.hasBucket === true ? { hasBucket: true } : {}),
    }
  }

  #closed(link: ClientLink): void {
    const { client } = link
    if (client === undefined || !this.#links.delete(client, link)) return
    this.#progress.ownerGone(client)
    this.#cluster?.clientLeft(client)
    this.#last.left(client)
    // Pins last until the process has exited, not merely its socket: it may be mapping still.
    if (!this.state.workers.has(client)) this.#memory.left(client, link.pid)
    this.#brain.tell({ kind: 'clientClosed', client })
  }

  #exited(exit: Exited['exit'], missingDir: string | undefined): void {
    this.#objects.clientExited(exit.workerId)
    const why = missingDir === undefined ? {} : { missingDir }
    this.#brain.tell({ kind: 'workerExited', exit, ...why })
  }

  #perform(effect: ShellEffect): void {
    this.#memory.changed()
    switch (effect.kind) {
      case 'notify':
        this.#notify(effect)
        return
      case 'spawn': {
        const pid = this.#processes.start(effect.start)
        this.#brain.tell({ kind: 'workerSpawned', worker: effect.start.workerId, pid })
        return
      }
      case 'signal':
        this.#lookAt(effect.worker)
        this.#processes.signal(effect.worker, effect.signal)
        return
      case 'jobEnded':
        this.#jobEnded(effect.job)
        return
      case 'watchJob':
        this.#cluster?.jobs.ended.watch(effect)
        return
      case 'jobForgotten':
        if (this.#cluster?.jobForgotten(effect) !== true) this.#objects.freeOf(effect.jobId)
        return
      case 'leave':
        this.#deps.log.info('leaving')
        void this.stop()
        return
      case 'claimName':
      case 'releaseName':
      case 'findName':
        this.#gcs.perform(effect)
        return
      default:
        this.#cluster?.perform(effect)
    }
  }

  #notify(effect: NoticeEffect): void {
    const link = this.#links.get(effect.to)
    if (link !== undefined) link.notify(effect.type, effect.message)
    else this.#cluster?.leases.notifyGuest(effect)
  }

  /** What it has by now, before nobody can tell any more. */
  #lookAt(workerId: WorkerId): void {
    const pid = this.state.workers.get(workerId)?.pid ?? 0
    if (pid > 0) this.#memory.look(workerId, pid)
  }

  #jobEnded(job: Job): void {
    this.#deps.log.info('a job has ended', { jobId: toHex(job.jobId) })
    this.#queries.jobEnded(job)
  }
}

const whereOf = ({ address, pid }: RayletOptions): Pick<RayletOptions, 'address' | 'pid'> => ({
  address,
  pid,
})
