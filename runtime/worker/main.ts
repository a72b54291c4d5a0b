// The worker process: composition root. Connects to its raylet, loads user modules at first need,
// runs what owners push to it, and ends with the raylet's word or with the raylet.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../common/clock-system.ts'
import { systemFinalization } from '../common/finalization-system.ts'
import { knowsIntegers } from '../common/integer-arrays-system.ts'
import { fromHex, type WorkerId } from '../common/ids.ts'
import { systemHash, systemRandom } from '../common/random-system.ts'
import type { CoreWorker } from '../core-worker/core-worker.ts'
import { systemContext } from '../core-worker/context-system.ts'
import { readHomeFile } from '../core-worker/function-source-file.ts'
import { Sources } from '../core-worker/function-sources.ts'
import { captureHomes } from '../core-worker/functions.ts'
import { registry } from '../core-worker/registry-system.ts'
import { startCoreWorker } from '../core-worker/start.ts'
import { systemStackView } from '../core-worker/stack-view-loader.ts'
import { WorkerSide } from '../core-worker/worker-side.ts'
import { openArenaClient } from '../core-worker/arena-client-file.ts'
import { transportFor } from '../protocol/polling-uds.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'
import { STRIP_FD } from '../protocol/strip-message.ts'
import { blockOutput } from './blocking-output-process.ts'
import { FunctionLoader } from './function-loader.ts'
import { tellPeakMemoryAtExit } from './last-words-process.ts'
import { liveUntilTold } from './life.ts'
import { ModuleLoader } from './module-loader.ts'
import { installTypeScriptHooks } from './strip-hooks-loader.ts'
import { stripOverPipe } from './strip-pipe-file.ts'
import { endByUncaught } from './uncaught-process.ts'

/** Taken out of the environment: programs that a task starts are no workers. */
function env(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`a worker was started without ${name}`)
  Reflect.deleteProperty(process.env, name)
  return value
}

/** Of an actor its class, of a task its function. */
function printingName(): string | undefined {
  const parts = systemContext.current()?.parts
  return parts?.actorId === undefined ? parts?.name : parts.name.split(/\.| constructor$/)[0]
}

function end(code: number): never {
  process.exit(code)
}

async function main(): Promise<void> {
  const hexId = env('VIRGA_WORKER_ID')
  const workerId = fromHex(hexId) as WorkerId
  const sessionDir = env('VIRGA_SESSION_DIR')
  const sources = new Sources({ read: readHomeFile, hash: systemHash })
  installTypeScriptHooks({
    ask: stripOverPipe(STRIP_FD, () => end(1)),
    noteHash: (url, hash) => {
      sources.noteHash(url, hash)
    },
  })
  blockOutput(printingName)
  tellPeakMemoryAtExit()
  captureHomes(sources)
  let side: WorkerSide | undefined
  endByUncaught((error) => {
    side?.uncaught(error)
  })
  const socketDir = join(sessionDir, 'workers')
  mkdirSync(socketDir, { recursive: true, mode: 0o700 })
  await startCoreWorker(
    {
      transport: await transportFor(sessionDir),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      finalization: systemFinalization,
      knowsIntegers,
      context: systemContext,
      stackView: systemStackView,
      sources,
      openMemory: openArenaClient,
    },
    {
      role: 'worker',
      rayletAddress: env('VIRGA_RAYLET_ADDRESS'),
      workerId,
      address: join(socketDir, `${hexId.slice(0, 16)}.sock`),
      pid: process.pid,
    },
    (made) => {
      registry().currentCoreWorker = made
      made.deps.raylet.hold(1) // a worker lives until it is told to end
      side = workerSide(made, sources)
      return liveUntilTold(made, side, end)
    },
  )
}

function workerSide(worker: CoreWorker, sources: Sources): WorkerSide {
  const { job } = worker.options.welcome
  const modules = new ModuleLoader(
    { importModule: (url) => import(url) as Promise<unknown>, clock: systemClock, sources },
    { entry: job.entry, entryFirst: process.env['VIRGA_ENTRY_FIRST'] === '1' },
  )
  void modules.preload(job.modules)
  const loader = new FunctionLoader(modules)
  return new WorkerSide(worker, {
    load: (identity: FunctionIdentity) => loader.load(identity),
    setGpus: (gpuIds) => {
      process.env['CUDA_VISIBLE_DEVICES'] = gpuIds.join(',')
    },
    exit: end,
    collectsWhenIdle: true,
  })
}

void main().catch((error: unknown) => {
  process.stderr.write(`a worker could not start: ${String(error)}\n`)
  end(1)
})
