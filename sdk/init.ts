// init(): joins or starts a cluster and makes this process its driver. Composition root: the only
// file of the sdk that builds adapters.
import { join } from 'node:path'
import { systemClock } from '../runtime/common/clock-system.ts'
import { parseInitOptions, type InitSpecOptions } from '../runtime/common/call-options.ts'
import { UsageError } from '../runtime/common/errors.ts'
import { systemFinalization } from '../runtime/common/finalization-system.ts'
import { knowsIntegers } from '../runtime/common/integer-arrays-system.ts'
import { newJobId, newWorkerId, toHex } from '../runtime/common/ids.ts'
import { systemHash, systemRandom } from '../runtime/common/random-system.ts'
import type { Cluster, InitOptions } from '../runtime/common/surface.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { systemContext } from '../runtime/core-worker/context-system.ts'
import { refuseEnv, refuseShipping } from '../runtime/core-worker/function-calls.ts'
import { readHomeFile } from '../runtime/core-worker/function-source-file.ts'
import { Sources } from '../runtime/core-worker/function-sources.ts'
import { captureHomes, park, registeredHomes, shownName } from '../runtime/core-worker/functions.ts'
import { registry } from '../runtime/core-worker/registry-system.ts'
import { startCoreWorker, type ExtraNotices } from '../runtime/core-worker/start.ts'
import { systemStackView } from '../runtime/core-worker/stack-view-loader.ts'
import { openArenaClient } from '../runtime/core-worker/arena-client-file.ts'
import { transportFor } from '../runtime/protocol/polling-uds.ts'
import type { JobSpec } from '../runtime/protocol/messages.ts'
import { addressOf, openCluster, type OpenedCluster } from './cluster-process.ts'
import { findWorker } from './current.ts'
import { driverFacts, existingFolder } from './driver-process.ts'
import { startInline } from './inline/init.ts'
import { flushRepeated, printOutput } from './output-process.ts'
import { showNamesBy } from './shown-name.ts'

interface Running {
  readonly worker: CoreWorker
  readonly opened: OpenedCluster
  readonly cluster: Cluster
  /** At the end of the program: what the raylet does not know yet. */
  readonly tellLast: () => void
  /** When the program has nothing more to do: prints what is on its way. */
  readonly drain: () => void
}

/** For the life of the process: what was loaded once stays what it was, whatever is edited. */
const sources = new Sources({ read: readHomeFile, hash: systemHash })
showNamesBy((descriptor) => shownName(descriptor, sources))

// From here on, as the file of a module may be edited before init(); a worker has its own.
if (findWorker()?.options.mode !== 'worker') captureHomes(sources)

let starting: Promise<Running> | undefined

/** What shutdown() has begun; init() may be called meanwhile. */
let ending: Promise<unknown> | undefined

/**
 * Join or start a cluster; what stands below it runs in the driver only (in a worker it never
 * resolves). Without an address: VIRGA_ADDRESS, else the cluster of `virga start` on this machine,
 * else a new one for this program.
 * @throws UsageError for a wrong option or address, or a second call without ignoreReinitError.
 */
export function init(options: InitOptions = {}): Promise<Cluster> {
  if (findWorker()?.options.mode === 'worker') return park()
  return start(options)
}

async function start(options: InitOptions): Promise<Cluster> {
  const given = parseInitOptions(options)
  const spec = { ...given, address: addressOf(given) }
  refuseLater(spec)
  if (starting !== undefined) {
    if (spec.ignoreReinitError) return (await starting).cluster
    throw new UsageError(
      'init() was called before in this process; call shutdown() first, or give ' +
        '{ ignoreReinitError: true } to use the running cluster',
    )
  }
  const connecting = connect(spec)
  starting = connecting
  try {
    return (await connecting).cluster
  } catch (error) {
    if (starting === connecting) starting = undefined
    throw error
  }
}

/** Whether init() has been called in this process, and shutdown() not yet. */
export function isInitialized(): boolean {
  return starting !== undefined
}

/**
 * Leave the cluster; one started by init() ends. May be called again, and ends with the first.
 * What is still awaited rejects with StoppedError.
 */
export async function shutdown(): Promise<void> {
  if (starting !== undefined) {
    ending = Promise.all([ending, leave(starting)])
    starting = undefined
    registry().limits.clear() // at once: what is declared from now on is for the next cluster
  }
  const awaited = ending
  try {
    await awaited
  } finally {
    if (ending === awaited) ending = undefined
  }
}

async function leave(running: Promise<Running>): Promise<void> {
  const { worker, opened, tellLast, drain } = await running
  process.off('exit', tellLast)
  process.off('beforeExit', drain)
  await drainOutput(worker)
  if (registry().currentCoreWorker === worker) registry().currentCoreWorker = undefined
  await worker.close()
  await opened.close()
}

/** A cluster that is gone already has nothing more to say. */
async function drainOutput(worker: CoreWorker): Promise<void> {
  await worker.deps.raylet.request('drainOutput', {}).catch(() => undefined)
  flushRepeated()
}

async function connect(spec: InitSpecOptions): Promise<Running> {
  const job = jobSpec(spec) // may refuse an option: nothing is open yet
  const opened =
    spec.address === 'inline' ? await openInline(spec) : await openCluster(spec, systemRandom)
  const worker = await startDriver(opened, job, spec).catch(async (error: unknown) => {
    await opened.abandon()
    throw error
  })
  registry().currentCoreWorker = worker
  if (spec.durable && worker.options.welcome.hasBucket !== true) warnOfNoBucket()
  const cluster: Cluster = {
    address: `unix:${opened.rayletAddress}`,
    jobId: toHex(worker.jobId),
    namespace: worker.namespace,
    [Symbol.asyncDispose]: shutdown,
  }
  const tellLast = (): void => {
    worker.tally.flush()
    worker.deps.raylet.flush()
  }
  process.once('exit', tellLast)
  // The program's end: what its tasks printed last is still on its way.
  const drain = (): void => void drainOutput(worker)
  process.once('beforeExit', drain)
  return { worker, opened, cluster, tellLast, drain }
}

/** Results of tasks are durable without one, and so is what is small. */
function warnOfNoBucket(): void {
  process.emitWarning(
    'init({ durable: true }): this cluster has no bucket, so what is put above 100 KiB, or passed ' +
      'as such an argument, will be refused. Start the cluster with VIRGA_SPILL=s3://BUCKET/PREFIX.',
    { type: 'VirgaWarning', code: 'VIRGA_NO_BUCKET' },
  )
}

/** The workers of inline mode are this process: what they are to import, it does, but for the
 *  program itself, which is being imported. */
async function openInline(spec: InitSpecOptions): Promise<OpenedCluster> {
  refuseEnv(spec.runtimeEnv)
  const { entry, moduleUrl } = driverFacts()
  for (const url of spec.modules.map(moduleUrl)) if (url !== entry) await import(url)
  return startInline(spec)
}

async function startDriver(
  opened: OpenedCluster,
  job: JobSpec,
  spec: InitSpecOptions,
): Promise<CoreWorker> {
  const workerId = newWorkerId(systemRandom)
  return startCoreWorker(
    {
      transport: opened.transport ?? (await transportFor(opened.sessionDir)),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      finalization: systemFinalization,
      knowsIntegers,
      context: systemContext,
      stackView: systemStackView,
      openMemory: opened.openMemory ?? openArenaClient,
      sources,
    },
    {
      role: 'driver',
      rayletAddress: opened.rayletAddress,
      workerId,
      address: join(opened.sessionDir, 'workers', `${toHex(workerId).slice(0, 16)}.sock`),
      pid: process.pid,
      job,
    },
    (worker) => driverNotices(spec, worker),
  )
}

function driverNotices(spec: InitSpecOptions, { deps }: CoreWorker): ExtraNotices {
  return {
    startActor: () => undefined,
    exit: ({ reason }) => {
      deps.raylet.willEnd(reason)
    },
    output: (message) => {
      if (spec.logToDriver) printOutput(message.lines)
    },
  }
}

function jobSpec(spec: InitSpecOptions): JobSpec {
  const jobId = newJobId(systemRandom)
  const facts = driverFacts()
  refuseShipping(spec.runtimeEnv)
  const workingDir = spec.runtimeEnv?.workingDir
  return {
    jobId,
    name: spec.jobName ?? facts.name,
    namespace: spec.namespace ?? toHex(jobId),
    entry: facts.entry,
    argv: facts.argv,
    execArgv: facts.execArgv,
    env: { ...facts.env, ...spec.runtimeEnv?.envVars },
    cwd: workingDir === undefined ? facts.cwd : existingFolder(workingDir),
    modules: [...new Set([...registeredHomes(), ...spec.modules.map(facts.moduleUrl)])],
    logToDriver: spec.logToDriver,
    ...(spec.durable ? { durable: true } : {}),
  }
}

/** What needs several nodes or AWS, and says so instead of pretending. */
function refuseLater(spec: InitSpecOptions): void {
  if (spec.overflow !== undefined) {
    throw new UsageError(
      'overflow needs a deployed cluster on AWS, which this version cannot reach yet; leave it out',
    )
  }
  if (spec.address?.startsWith('aws:') === true) {
    throw new UsageError(
      `init({ address: '${spec.address}' }) needs a deployed cluster on AWS, which this version ` +
        'cannot reach yet; run it here with init()',
    )
  }
}
