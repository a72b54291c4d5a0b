// The raylet's process: composition root. Started by init() or `virga start` with its options as
// JSON in VIRGA_RAYLET_OPTIONS; says one line of JSON on standard output when clients may connect.
// It is ready before anything heavy is loaded: a driver waits for it.
import { mkdirSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../common/clock-system.ts'
import { VirgaError } from '../common/errors.ts'
import { fromHex, toHex, type NodeId } from '../common/ids.ts'
import { DRAIN_GRACE_MS, WORKERS_MAX } from '../common/limits.ts'
import type { Log } from '../common/log.ts'
import { systemHash, systemRandom } from '../common/random-system.ts'
import { nodeResourcesOf, type ResourceOptions } from '../common/resource-demand.ts'
import {
  clearCurrent,
  readCredentials,
  rayletSocket,
  removeSessionDir,
  startTimeOf,
  writeNode,
} from '../common/session-file.ts'
import type { DynamoGcs } from '../gcs/dynamodb-loader.ts'
import { MemoryStorage } from '../gcs/storage-memory.ts'
import { bucketOf } from '../gcs/tables.ts'
import { udsTransport } from '../protocol/connection-uds.ts'
import { ValueCodec } from '../protocol/value-codec.ts'
import { processLauncher } from './launcher-process.ts'
import { logFile } from './log-file.ts'
import { systemMemoryProbe } from './memory-probe-system.ts'
import { usedCpuMs } from './cpu-time-process.ts'
import type { NodeStore } from './node-store.ts'
import type { NodeStoreDeps, SpillTarget } from './node-store-file.ts'
import type { NodeEpoch } from './raylet-ports.ts'
import { Raylet } from './raylet.ts'
import { Sentinel } from './sentinel-process.ts'

/** VIRGA_RAYLET_OPTIONS. */
export interface RayletStartOptions {
  readonly sessionDir: string
  readonly resources?: ResourceOptions
  readonly labels?: Readonly<Record<string, string>>
  /** Default: 30 % of memory, as far as /dev/shm has room. */
  readonly objectStoreMemoryBytes?: number
  /** Default: shared memory, a file where there is none. */
  readonly objectStore?: 'shm' | 'file'
  /** Default: the local disk. */
  readonly spill?: SpillTarget
  /** Made for one driver: it leaves when that driver does. */
  readonly owned: boolean
  /** What users may call it by; nothing listens there. */
  readonly port?: number
  /**
   * It is one of several nodes, with credentials in its session folder. HERE: it holds the GCS;
   * AWS: the tables that are deployed there do; else the address of the node that does, or the URL
   * of the DynamoDB that does.
   */
  readonly gcs?: string
  /** How many nodes share this machine. Default: 1. */
  readonly nodesHere?: number
}

/** Share of the machine's memory that leases may demand. Source: Ray, 70 %. */
const MEMORY_SHARE = 0.7

async function main(): Promise<void> {
  const options = readOptions()
  const { sessionDir } = options
  for (const folder of ['logs', 'workers', 'spill']) {
    mkdirSync(join(sessionDir, folder), { recursive: true, mode: 0o700 })
  }
  const log = sessionLog(sessionDir)
  const address = rayletSocket(sessionDir)
  const joined = await joinCluster(options, log, () => {
    const what = 'the node that held the GCS has ended, and with it the cluster'
    log.error(what)
    process.stderr.write(`${what}\n`)
    void raylet.stop(what)
  })
  const { nodesHere = 1 } = options
  const raylet = new Raylet(
    {
      transport: udsTransport((error) => {
        log.error('a process could not connect', { error: error.message })
      }),
      launcher: launcher(log, { address, sessionDir }),
      openStore: (clients, node) =>
        openStore({ log, clients, random: systemRandom }, node, options),
      ...(joined?.ports ?? { storage: new MemoryStorage() }),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      log,
      codec: new ValueCodec(),
      logSinks: (name) => sinkOf(join(sessionDir, 'logs', name), log),
      memory: systemMemoryProbe,
      usedCpuMs,
    },
    {
      address,
      sessionDir,
      totals: nodeResourcesOf(options.resources ?? {}, {
        numCpus: Math.max(1, Math.floor(availableParallelism() / nodesHere)),
        numGpus: 0,
        memoryBytes: Math.floor((totalmem() * MEMORY_SHARE) / nodesHere),
      }),
      labels: options.labels ?? {},
      workersMax: WORKERS_MAX,
      owned: options.owned,
      epoch: joined?.epoch ?? Date.now(),
      ...(joined === undefined ? {} : { nodeId: joined.nodeId }),
      pid: process.pid,
    },
  )
  leaveCleanly(raylet, log)
  keepOpen()
  await raylet.start()
  removeAtExit(sessionDir)
  sayReady(raylet, options)
}

/** Loaded by nodes of several alone: TLS takes its time. */
async function joinCluster({ sessionDir, gcs }: RayletStartOptions, log: Log, gcsLost: () => void) {
  if (gcs === undefined) return undefined
  const { openCluster } = await import('./cluster/cluster-tcp.ts')
  const credentials = readCredentials(sessionDir)
  const deps = { clock: systemClock, random: systemRandom, log, codec: new ValueCodec(), gcsLost }
  const nodeId = fromHex(credentials.nodeId) as NodeId
  const inTables = gcs === 'AWS' || gcs.startsWith('http')
  const tables = inTables ? await openTables(credentials.cluster, gcs, log) : undefined
  const opened = openCluster(deps, { credentials, gcs: tables?.storage ?? gcs })
  const ports = tables === undefined ? opened : { ...opened, units: tables.units }
  return { ports, nodeId, epoch: credentials.epoch }
}

/** The AWS SDK takes its time, and need not be installed. */
async function openTables(cluster: string, gcs: string, log: Log): Promise<DynamoGcs> {
  const { loadDynamoGcs } = await import('../gcs/dynamodb-loader.ts')
  const deps = { clock: systemClock, random: systemRandom, hash: systemHash, log }
  const where = gcs === 'AWS' ? {} : { endpoint: gcs }
  return loadDynamoGcs(deps, { cluster, bucket: bucketOf(cluster), ...where })
}

function readOptions(): RayletStartOptions {
  const text = process.env['VIRGA_RAYLET_OPTIONS']
  if (text === undefined) {
    throw new Error('a raylet is started by init() or `virga start`, not by hand')
  }
  delete process.env['VIRGA_RAYLET_OPTIONS']
  return JSON.parse(text) as RayletStartOptions
}

function sayReady(raylet: Raylet, options: RayletStartOptions): void {
  const { nodeId, epoch } = raylet.state.config
  const node = {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    address: raylet.address,
    sessionDir: options.sessionDir,
    nodeId: toHex(nodeId),
    epoch,
    ...(options.port === undefined ? {} : { port: options.port }),
    ...clusterOf(raylet, options),
  }
  writeNode(node)
  process.stdout.write(`${JSON.stringify({ ready: true, ...node })}\n`)
}

function clusterOf(raylet: Raylet, { gcs, sessionDir }: RayletStartOptions): object {
  if (gcs === undefined) return {}
  const { cluster } = readCredentials(sessionDir)
  const { nodeAddress } = raylet
  return { cluster, nodeAddress, gcs: gcs === 'HERE' ? nodeAddress : gcs }
}

/** Sockets do not keep this process open, on purpose; being a raylet does. */
function keepOpen(): void {
  setInterval(() => undefined, 2 ** 30)
}

function launcher(
  log: Log,
  { address, sessionDir }: { readonly address: string; readonly sessionDir: string },
): ReturnType<typeof processLauncher> {
  return processLauncher(
    {
      log,
      serveStrip: (stream) => void serveStrip(stream, log),
      sentinel: new Sentinel(sessionDir),
    },
    {
      workerMain: workerMain(),
      execPath: process.execPath,
      rayletAddress: address,
      sessionDir,
    },
  )
}

function workerMain(): string {
  const here = import.meta.url
  const file = here.endsWith('.ts') ? '../worker/main.ts' : './worker-main.js'
  return fileURLToPath(new URL(file, here))
}

/** Loaded while the first workers start: their driver's first task rarely needs it. */
async function openStore(
  deps: NodeStoreDeps,
  { nodeId, epoch }: NodeEpoch,
  options: RayletStartOptions,
): Promise<NodeStore> {
  const { openNodeStore } = await import('./node-store-file.ts')
  const { sessionDir, objectStoreMemoryBytes: sizeBytes, objectStore: kind = 'shm' } = options
  const { nodesHere = 1, spill } = options
  const owner = `${toHex(nodeId)}-${epoch}` as const
  return openNodeStore(deps, {
    sessionDir,
    kind,
    nodesHere,
    ...(spill === undefined ? {} : { spill: { ...spill, owner } }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
  })
}

let stripping: Promise<(stream: Duplex, onError: (error: unknown) => void) => void> | undefined

/** The stripper is loaded with the first worker, not before the driver has its answer. */
async function serveStrip(stream: Duplex, log: Log): Promise<void> {
  stripping ??= import('./strip-process.ts').then((strip) => {
    const service = strip.makeStripService()
    return (pipe, onError) => {
      strip.serveStrip(pipe, service, onError)
    }
  })
  const serve = await stripping
  serve(stream, (error) => {
    log.error('a worker asked for stripping in a way nobody understands', { error: String(error) })
  })
}

/** Until it is ready the folder is its starter's, who reads there why it ended, and removes it. */
function removeAtExit(sessionDir: string): void {
  process.on('exit', () => {
    clearCurrent(sessionDir)
    removeSessionDir(sessionDir)
  })
}

/** However it ends, nothing is left behind: no worker, no socket. */
function leaveCleanly(raylet: Raylet, log: Log): void {
  raylet.onLeft = () => {
    process.exit(0)
  }
  // Like `docker stop`: asked nicely it drains; asked again, or by hand, it stops.
  process.once('SIGTERM', () => {
    log.info('asked to stop', { signal: 'SIGTERM' })
    raylet.drain(DRAIN_GRACE_MS)
    process.on('SIGTERM', () => void raylet.stop())
  })
  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      log.info('asked to stop', { signal })
      void raylet.stop()
    })
  }
  const crash = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    log.error('the raylet failed', { error: text })
    process.stderr.write(`the raylet failed: ${text}\n`)
    process.exitCode = 1
    // Its workers see the connection close and leave; the kernel kills those that cannot.
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}

const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const

/** Lines of JSON as pino writes them, without its start-up time. */
function sessionLog(sessionDir: string): Log {
  const sink = logFile({
    path: join(sessionDir, 'logs', 'raylet'),
    onError: (error) => {
      process.stderr.write(`the raylet's log cannot be written: ${error.message}\n`)
    },
  })
  const at =
    (level: keyof typeof LEVELS): Log['info'] =>
    (msg, fields) => {
      const line = { level: LEVELS[level], time: Date.now(), pid: process.pid, ...fields, msg }
      sink.write(Buffer.from(`${JSON.stringify(line)}\n`))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function sinkOf(path: string, log: Log): ReturnType<typeof logFile> {
  return logFile({
    path,
    onError: (error) => {
      log.error('the output of a worker cannot be kept', { path, error: error.message })
    },
  })
}

void main().catch((error: unknown) => {
  // What an error of ours says is for who starts it; where another comes from, for who mends it.
  const isForeign = error instanceof Error && !(error instanceof VirgaError)
  const text = isForeign ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`the raylet could not start: ${text}\n`)
  process.exit(1)
})
