// The shell around the brain: performs its effects, brings back what they cause, keeps time.
// Everything it touches comes as a port, so that it runs as a process of its own (main.ts), inside
// a driver (inline mode), and in simulation.
// Invariants:
//   Y1. Events are taken in one at a time, in the order they came; effects are performed in order.
//   Y2. After stop() nothing of this raylet is left: no worker, no socket, no arena.
import { assert } from '../common/assert.ts'
import type { Clock, Timer } from '../common/clock.ts'
import { ProtocolError } from '../common/errors.ts'
import {
  fromHex,
  jobIdOf,
  newJobId,
  newNodeId,
  taskIdOfObject,
  toHex,
  type JobId,
  type ObjectId,
  type WorkerId,
} from '../common/ids.ts'
import { MEMORY_CHECK_MS, OWNER_HELLO_MS } from '../common/limits.ts'
import type { Log } from '../common/log.ts'
import type { Hash, Random } from '../common/random.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { Storage } from '../gcs/storage.ts'
import {
  claimName,
  findName,
  jobKey,
  nodeKey,
  putFact,
  releaseName,
  type NameRow,
} from '../gcs/tables.ts'
import type { Connection, Listener, Transport } from '../protocol/connection.ts'
import type { Hello, JobSpec, RayletCalls, StateRow, Welcome } from '../protocol/messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { ClientLink, type LinkHost, type Stimulus } from './client-link.ts'
import type { MemoryProbe } from './memory-probe.ts'
import type { NodeStore } from './node-store.ts'
import { ProgressBook } from './progress.ts'
import { limited, objectRows, stateRows } from './state-rows.ts'
import { createState, type RayletState } from './state.ts'
import { step } from './step.ts'
import { TaskLog } from './task-log.ts'
import type { NameHolder, RayletEffect, RayletEvent } from './turn.ts'
import type { WorkerLauncher } from './worker-launcher.ts'
import { WorkerProcesses, type LogSinks } from './worker-processes.ts'

export interface RayletDeps {
  readonly transport: Transport
  readonly launcher: WorkerLauncher
  /** Called once, when the first client says hello. `askRelease` asks all clients to let go. */
  readonly openStore: (askRelease: () => void) => Promise<NodeStore>
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly log: Log
  /** For control messages: no handles. */
  readonly codec: ValueCodec
  /** Where workers' lines go to stay; absent: they reach their driver only. */
  readonly logSinks?: LogSinks
  /** Absent: memory is not watched. */
  readonly memory?: MemoryProbe
}

export interface RayletOptions {
  /** Where it listens. */
  readonly address: string
  readonly sessionDir: string
  /** In units, as nodeResourcesOf makes them. */
  readonly totals: ResourceSet
  readonly labels?: Readonly<Record<string, string>>
  /** Workers started ahead for a job, and kept idle. Default: the CPUs, rounded up. */
  readonly prestart?: number
  readonly workersMax: number
  /** Made by one driver: leaves when it leaves. */
  readonly owned: boolean
  /** Larger than that of any raylet of this node before. */
  readonly epoch: number
  readonly pid: number
}

/** How long workers may take to leave by themselves when the raylet stops. */
const STOP_GRACE_MS = 300
/** The same while somebody watches, who is to hear how far they came. */
const WATCHED_STOP_GRACE_MS = 2_000
/** How long it waits for processes that were killed. */
const STOP_KILL_MS = 2_000
/** Rows of one state query, unless it says otherwise. */
const STATE_ROWS_DEFAULT = 10_000
const UNITS = 10_000
/** Turns of the event loop in which the connections of ended workers are read to their end. */
const LAST_TURNS_MAX = 100
/** Jobs that have ended are listed until there are so many newer ones. */
const FINISHED_JOBS_MAX = 1_000
/** Workers whose memory is read at one time; more take turns. */
const MEMORY_PIDS_MAX = 128

export class Raylet {
  readonly state: RayletState
  readonly #deps: RayletDeps
  readonly #options: RayletOptions
  readonly #links = new Map<WorkerId, ClientLink>()
  readonly #processes: WorkerProcesses
  readonly #requests = new Map<
    number,
    { resolve(value: unknown): void; reject(error: Error): void }
  >()
  readonly #taskLog: TaskLog
  readonly #inbox: Stimulus[] = []
  readonly #finishedJobs: StateRow[] = []
  /** Those that may have objects in the store. */
  readonly #jobs = new Set<JobId>()
  readonly #progress = new ProgressBook()
  readonly #awaitingStop: ((last: { rows: StateRow[] }) => void)[] = []
  #opening: Promise<NodeStore> | undefined
  #opened: NodeStore | undefined
  #draining = false
  #nextRequest = 1
  #wake: Timer | undefined
  #wakeAtMs = Infinity
  #memoryTimer: Timer | undefined
  #memoryFrom = 0
  /** Drivers that have left by their socket, and the processes that may still map objects. */
  readonly #leaving = new Map<WorkerId, number>()
  #listener: Listener | undefined
  #stopping: Promise<void> | undefined
  #names: Promise<unknown> = Promise.resolve()
  /** Called once when nobody needs this raylet any more and it has stopped. */
  onLeft: (() => void) | undefined

  constructor(deps: RayletDeps, options: RayletOptions) {
    this.#deps = deps
    this.#options = options
    this.#taskLog = new TaskLog(deps.hash)
    const cpus = (options.totals['CPU'] ?? 0) / UNITS
    this.state = createState({
      nodeId: newNodeId(deps.random),
      epoch: options.epoch,
      totals: options.totals,
      labels: options.labels ?? {},
      cpuCount: options.prestart ?? Math.ceil(cpus),
      workersMax: options.workersMax,
      owned: options.owned,
    })
    this.#processes = new WorkerProcesses(deps, {
      nameOf: (workerId) => this.#nameOf(workerId),
      forward: (jobId, lines) => this.#forward(jobId, lines),
      exited: (exit) => {
        this.#exited(exit)
      },
    })
  }

  get address(): string {
    return this.#options.address
  }

  /** Listen; resolves when clients may connect. */
  async start(): Promise<void> {
    const { transport, clock } = this.#deps
    this.#listener = await transport.listen(this.#options.address, (connection) => {
      this.#connected(connection)
    })
    if (this.#deps.memory !== undefined) {
      this.#memoryTimer = clock.after(MEMORY_CHECK_MS, () => {
        this.#checkMemory()
      })
    }
    if (this.#options.owned) {
      clock.after(OWNER_HELLO_MS, () => {
        if (this.#jobs.size === 0) this.#tell({ kind: 'leave' })
      })
    }
    this.#writeNode('ALIVE')
  }

  /** End all workers, close all connections and the store. May be repeated. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.state.leaving = true
    this.#wake?.cancel()
    this.#memoryTimer?.cancel()
    for (const { workerId } of this.state.workers.values()) {
      const link = this.#links.get(workerId)
      // Whoever has not said hello yet has nothing to finish.
      if (link === undefined) this.#processes.signal(workerId, 'SIGKILL')
      else link.notify('exit', { reason: 'the cluster stops' })
    }
    for (const link of this.#links.values()) link.flush()
    const graceMs = this.#awaitingStop.length > 0 ? WATCHED_STOP_GRACE_MS : STOP_GRACE_MS
    await this.#processes.endAll({ graceMs, killMs: STOP_KILL_MS })
    await this.#tellLast()
    for (const link of this.#links.values()) link.close()
    await this.#listener?.close()
    const opened = await this.#opening
    await opened?.store.close()
    this.onLeft?.()
  }

  /** Whoever watches hears how far everything came, before the connections close. */
  async #tellLast(): Promise<void> {
    if (this.#awaitingStop.length === 0) return
    // What the workers said last may still be on its way when their processes have ended.
    for (let turn = 0; turn < LAST_TURNS_MAX && this.#hasWorkers(); turn += 1) await this.#turn()
    const rows = this.#progress.rows()
    for (const resolve of this.#awaitingStop) resolve({ rows })
    await this.#turn()
  }

  #hasWorkers(): boolean {
    return [...this.#links.keys()].some((id) => this.state.clients.get(id)?.role === 'worker')
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.immediate(resolve)
    })
  }

  #connected(connection: Connection): void {
    const { clock, codec } = this.#deps
    const host: LinkHost = {
      clock,
      codec,
      store: () => this.#openedStore().store,
      welcome: (link, hello) => this.#welcome(link, hello),
      tell: (stimulus) => {
        this.#tell(stimulus)
      },
      ask: (stimulus) => this.#ask(stimulus),
      closed: (link) => {
        this.#closed(link)
      },
      taskEvents: ({ events, droppedCount }) => {
        this.#taskLog.add(events, droppedCount)
      },
      progress: (client, functions) => {
        const jobId = this.state.clients.get(client)?.jobId
        if (jobId !== undefined) this.#progress.report(client, jobId, functions)
      },
      awaitStop: () =>
        new Promise((resolve) => {
          this.#awaitingStop.push(resolve)
        }),
      query: (message) => this.#query(message),
      drainOutput: () => this.#processes.drainOutput(),
      stop: () => {
        this.#tell({ kind: 'leave' })
      },
    }
    new ClientLink(connection, host)
  }

  async #welcome(link: ClientLink, hello: Hello): Promise<Welcome> {
    const { workerId: client, role, pid, address } = hello
    if (this.state.leaving) throw new ProtocolError('this cluster is stopping; start a new one')
    if (this.#links.has(client)) throw new ProtocolError('this client is connected already')
    const job = this.#jobOf(hello)
    this.#links.set(client, link)
    const own = role === 'driver' ? job : undefined
    this.#tell({ kind: 'clientConnected', client, role, pid, address, job: own })
    if (own !== undefined) {
      this.#jobs.add(own.jobId)
      this.#writeJob(own, 'RUNNING')
    }
    this.#opening ??= this.#deps.openStore(() => {
      for (const each of this.#links.values()) each.notify('shedMemory', {})
    })
    this.#opened ??= await this.#opening
    return {
      nodeId: this.state.config.nodeId,
      epoch: this.state.config.epoch,
      jobId: job.jobId,
      namespace: job.namespace,
      sessionDir: this.#options.sessionDir,
      arena: this.#openedStore().arena,
      totals: this.#options.totals,
      job,
    }
  }

  #openedStore(): NodeStore {
    assert(this.#opened !== undefined, 'the object store is used before anybody was welcomed')
    return this.#opened
  }

  /** A worker serves the job it was started for; a driver brings its own; the cli has none. */
  #jobOf(hello: Hello): JobSpec {
    if (hello.role === 'worker') {
      const worker = this.state.workers.get(hello.workerId)
      const job = worker && this.state.jobs.get(worker.jobId)
      if (job === undefined) throw new ProtocolError('no worker of that id was started here')
      return job.spec
    }
    if (hello.job === undefined) return { ...NO_JOB, jobId: newJobId(this.#deps.random) }
    const { jobId } = hello.job
    const taken = jobId.length === 0 || this.state.jobs.has(jobId)
    return taken ? { ...hello.job, jobId: newJobId(this.#deps.random) } : hello.job
  }

  #closed(link: ClientLink): void {
    const { client } = link
    if (client === undefined || this.#links.get(client) !== link) return
    this.#links.delete(client)
    this.#progress.ownerGone(client)
    // Pins last until the process has exited, not merely its socket: it may be mapping still.
    if (!this.state.workers.has(client)) {
      this.#leaving.set(client, link.pid)
      this.#letLeaversGo()
    }
    this.#tell({ kind: 'clientClosed', client })
  }

  /** Voids the pins of drivers whose process is gone. */
  #letLeaversGo(): void {
    if (this.#leaving.size === 0) return
    const alive = this.#deps.memory?.read([...this.#leaving.values()])?.processes
    for (const [client, pid] of this.#leaving) {
      if (alive?.has(pid) === true) continue
      this.#leaving.delete(client)
      this.#opened?.store.clientExited(client)
    }
  }

  #exited(exit: Extract<Stimulus, { kind: 'workerExited' }>['exit']): void {
    this.#opened?.store.clientExited(exit.workerId)
    this.#tell({ kind: 'workerExited', exit })
  }

  #ask(stimulus: (request: number) => Stimulus): Promise<unknown> {
    const request = this.#nextRequest++
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject })
      this.#tell(stimulus(request))
    })
  }

  /** Y1. */
  #tell(stimulus: Stimulus): void {
    this.#inbox.push(stimulus)
    if (this.#draining) return
    this.#draining = true
    try {
      let next = this.#inbox.shift()
      while (next !== undefined) {
        const event = { ...next, nowMs: this.#deps.clock.monotonicMs() } as RayletEvent
        for (const effect of step(this.state, event)) this.#perform(effect)
        next = this.#inbox.shift()
      }
    } finally {
      this.#draining = false
    }
    if (this.#jobs.size > this.state.jobs.size) this.#freeGoneJobs()
    this.#setWake()
  }

  /** Nobody can reach the objects of a job whose driver and workers are gone. */
  #freeGoneJobs(): void {
    for (const jobId of this.#jobs) {
      if (this.state.jobs.has(jobId)) continue
      this.#jobs.delete(jobId)
      const objects = this.#opened?.store.list() ?? []
      const ids = objects.map(({ objectId }) => objectId as ObjectId)
      this.#opened?.store.free(ids.filter((id) => jobIdOf(taskIdOfObject(id)) === jobId))
    }
  }

  #setWake(): void {
    const { wakeAtMs } = this.state
    if (wakeAtMs >= this.#wakeAtMs || this.state.leaving) return
    this.#wake?.cancel()
    this.#wakeAtMs = wakeAtMs
    const delayMs = Math.max(0, wakeAtMs - this.#deps.clock.monotonicMs())
    this.#wake = this.#deps.clock.after(Math.ceil(delayMs), () => {
      this.#wakeAtMs = Infinity
      this.#tell({ kind: 'tick' })
    })
  }

  #perform(effect: RayletEffect): void {
    switch (effect.kind) {
      case 'notify':
        this.#links.get(effect.to)?.notify(effect.type, effect.message)
        return
      case 'answer':
        this.#take(effect.request)?.resolve(effect.value)
        return
      case 'refuse':
        this.#take(effect.request)?.reject(effect.error)
        return
      case 'spawn': {
        const pid = this.#processes.start(effect.start)
        this.#tell({ kind: 'workerSpawned', worker: effect.start.workerId, pid })
        return
      }
      case 'signal':
        this.#processes.signal(effect.worker, effect.signal)
        return
      case 'disconnect':
        this.#links.get(effect.client)?.close()
        return
      case 'jobEnded':
        this.#jobEnded(effect.jobId)
        return
      case 'leave':
        this.#deps.log.info('leaving')
        void this.stop()
        return
      default:
        this.#performOnNames(effect)
    }
  }

  #take(
    request: number,
  ): { resolve(value: unknown): void; reject(error: Error): void } | undefined {
    const waiting = this.#requests.get(request)
    this.#requests.delete(request)
    return waiting
  }

  #performOnNames(
    effect: Extract<RayletEffect, { kind: 'claimName' | 'releaseName' | 'findName' }>,
  ): void {
    const { storage } = this.#deps
    const { name, namespace } = effect
    switch (effect.kind) {
      case 'claimName': {
        const { actorId, owner, sinceMs } = effect.holder
        const since = this.#deps.clock.nowMs() - (this.#deps.clock.monotonicMs() - sinceMs)
        const row: NameRow = { actorId: toHex(actorId), owner, sinceMs: Math.round(since) }
        this.#inNameOrder(async () => {
          const holder = holderOf(await claimName(storage, { name, namespace }, row))
          this.#tell({ kind: 'nameClaimed', actorId, holder })
        })
        return
      }
      case 'releaseName':
        this.#inNameOrder(() => releaseName(storage, { name, namespace }, toHex(effect.actorId)))
        return
      case 'findName': {
        const { request } = effect
        this.#inNameOrder(async () => {
          const holder = holderOf(await findName(storage, { name, namespace }))
          this.#tell({ kind: 'nameFound', request, name, namespace, holder })
        })
        return
      }
    }
  }

  /** Names are freed and taken in the order the brain decided. */
  #inNameOrder(run: () => Promise<void>): void {
    this.#names = this.#names.then(run).catch((error: unknown) => {
      this.#deps.log.error('a name could not be written', { error: String(error) })
    })
  }

  #query(message: RayletCalls['state'][0]): RayletCalls['state'][1] {
    const limit = message.limit ?? STATE_ROWS_DEFAULT
    if (message.kind === 'tasks') return this.#taskLog.rows(limit)
    if (message.kind === 'objects') return limited(objectRows(this.#openedStore().store), limit)
    if (message.kind === 'summary') return limited(this.#progress.rows(), limit)
    const nowMs = this.#deps.clock.monotonicMs()
    const rows = stateRows(this.state, message.kind, nowMs)
    if (rows === undefined) throw new ProtocolError(`no rows of kind '${message.kind}' are known`)
    const all = this.#completed(message.kind, rows)
    return limited(all, limit)
  }

  /** What the shell knows beside the brain. */
  #completed(kind: string, rows: StateRow[]): StateRow[] {
    if (kind === 'jobs') {
      const known = new Set(rows.map((row) => row['jobId']))
      return [...this.#finishedJobs.filter((row) => !known.has(row['jobId'])), ...rows]
    }
    if (kind !== 'nodes') return rows
    const { address, pid } = this.#options
    const store = this.#openedStore().store.stats()
    return rows.map((row) => ({ ...row, pid, address, store }))
  }

  #jobEnded(jobId: JobId): void {
    const job = this.state.jobs.get(jobId)
    this.#deps.log.info('a job has ended', { jobId: toHex(jobId) })
    if (job === undefined) return
    this.#writeJob(job.spec, 'FINISHED')
    const { name, namespace } = job.spec
    const ageMs = Math.round(this.#deps.clock.monotonicMs() - job.startedAtMs)
    const ended = { state: 'FINISHED', driverId: toHex(job.driver), driverPid: null, ageMs }
    this.#finishedJobs.push({ jobId: toHex(jobId), name, namespace, ...ended })
    if (this.#finishedJobs.length > FINISHED_JOBS_MAX) this.#finishedJobs.shift()
  }

  #writeJob(job: JobSpec, state: string): void {
    const { name, namespace, jobId } = job
    const value = { name, namespace, state, atMs: this.#deps.clock.nowMs() }
    this.#inNameOrder(() => putFact(this.#deps.storage, jobKey(toHex(jobId)), value))
  }

  #writeNode(state: string): void {
    const { epoch, totals, labels, nodeId } = this.state.config
    const { address, pid } = this.#options
    const value = { epoch, address, pid, totals, labels, state }
    this.#inNameOrder(() => putFact(this.#deps.storage, nodeKey(toHex(nodeId)), value))
  }

  #nameOf(workerId: WorkerId): string {
    const lease = this.state.workers.get(workerId)?.lease
    return lease?.actor?.spec.className ?? lease?.spec.name ?? 'worker'
  }

  #forward(jobId: JobId, lines: Parameters<typeof outputTo>[1]): boolean {
    const job = this.state.jobs.get(jobId)
    const link = job && this.#links.get(job.driver)
    if (job?.spec.logToDriver !== true) return true
    return link !== undefined && outputTo(link, lines)
  }

  #checkMemory(): void {
    this.#memoryTimer = this.#deps.clock.after(MEMORY_CHECK_MS, () => {
      this.#checkMemory()
    })
    this.#letLeaversGo()
    const workers = [...this.state.workers.values()].filter((worker) => worker.pid > 0)
    if (workers.length === 0) return
    const from = workers.length <= MEMORY_PIDS_MAX ? 0 : this.#memoryFrom % workers.length
    const watched = [...workers.slice(from), ...workers.slice(0, from)].slice(0, MEMORY_PIDS_MAX)
    this.#memoryFrom = from + MEMORY_PIDS_MAX
    const reading = this.#deps.memory?.read(watched.map((worker) => worker.pid))
    if (reading === undefined) return
    const rssBytes = new Map<WorkerId, number>()
    for (const { pid, workerId } of watched) {
      const memory = reading.processes.get(pid)
      if (memory === undefined) continue
      rssBytes.set(workerId, memory.rssBytes)
      this.#processes.sawMemory(workerId, memory.peakRssBytes)
    }
    const { usedBytes, totalBytes } = reading
    this.#tell({ kind: 'memory', sample: { usedBytes, totalBytes, rssBytes } })
  }
}

function outputTo(link: ClientLink, lines: Parameters<WorkerProcessesForward>[1]): boolean {
  if (!link.takesOutput) return false
  link.notify('output', { lines })
  return true
}

type WorkerProcessesForward = ConstructorParameters<typeof WorkerProcesses>[1]['forward']

function holderOf(row: NameRow | undefined): NameHolder | undefined {
  if (row === undefined) return undefined
  const { actorId, owner, sinceMs } = row
  return { actorId: fromHex(actorId) as NameHolder['actorId'], owner, sinceMs }
}

const NO_JOB: Omit<JobSpec, 'jobId'> = {
  name: '',
  namespace: '',
  entry: undefined,
  argv: [],
  execArgv: [],
  env: {},
  cwd: '/',
  modules: [],
  logToDriver: false,
}
