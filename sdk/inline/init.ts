// Inline mode: the whole cluster in the calling process, for users' unit tests. The same raylet,
// core-workers and codec over memory connections; only processes, sockets and shared memory are
// replaced. What needs a process of its own (force, maxCalls, inspect) is refused.
import { availableParallelism } from 'node:os'
import { systemClock } from '../../runtime/common/clock-system.ts'
import type { InitSpecOptions } from '../../runtime/common/call-options.ts'
import { systemFinalization } from '../../runtime/common/finalization-system.ts'
import { knowsIntegers } from '../../runtime/common/integer-arrays-system.ts'
import { toHex, type WorkerId } from '../../runtime/common/ids.ts'
import { WORKERS_MAX } from '../../runtime/common/limits.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../runtime/common/random-system.ts'
import { nodeResourcesOf } from '../../runtime/common/resource-demand.ts'
import { systemContext } from '../../runtime/core-worker/context-system.ts'
import type { CoreWorker } from '../../runtime/core-worker/core-worker.ts'
import type { Runnable } from '../../runtime/core-worker/run-task.ts'
import { readHomeFile } from '../../runtime/core-worker/function-source-file.ts'
import { Sources } from '../../runtime/core-worker/function-sources.ts'
import { lookup } from '../../runtime/core-worker/functions.ts'
import { startCoreWorker, type StartDeps } from '../../runtime/core-worker/start.ts'
import { systemStackView } from '../../runtime/core-worker/stack-view-loader.ts'
import { WorkerSide } from '../../runtime/core-worker/worker-side.ts'
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import { MemoryArena } from '../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../runtime/objects/spill-memory.ts'
import { ObjectStore, type StoreClients } from '../../runtime/objects/store.ts'
import { memoryTransport } from '../../runtime/protocol/connection-memory.ts'
import type { Transport } from '../../runtime/protocol/connection.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'
import type { NodeStore } from '../../runtime/raylet/node-store.ts'
import { Raylet } from '../../runtime/raylet/raylet.ts'
import type {
  WorkerEvents,
  WorkerHandle,
  WorkerLauncher,
} from '../../runtime/raylet/worker-launcher.ts'
import { liveUntilTold } from '../../runtime/worker/life.ts'
import type { OpenedCluster } from '../cluster-process.ts'
import { endWorkersThatExit } from './exit-process.ts'

const RAYLET_ADDRESS = 'inline'
const OBJECT_STORE_BYTES = 256 * 1024 * 1024
const MEMORY_BYTES = 4 * 1024 ** 3
const KEEP_ALIVE_MS = 60_000

export async function startInline(spec: InitSpecOptions): Promise<OpenedCluster> {
  const transport = memoryTransport(systemClock, keepAlive())
  const arena = new MemoryArena({ sizeBytes: spec.objectStoreMemoryBytes ?? OBJECT_STORE_BYTES })
  const spill = new MemorySpill({ capacityBytes: OBJECT_STORE_BYTES })
  const openStore = (clients: StoreClients): Promise<NodeStore> => {
    const store = new ObjectStore(
      { arena, spill, clock: systemClock, log: silentLog, clients },
      { sizeBytes: arena.sizeBytes },
    )
    const place = { kind: 'memory', path: '', sizeBytes: arena.sizeBytes } as const
    return Promise.resolve({ store, arena: place })
  }
  const openMemory: StartDeps['openMemory'] = () => ({ client: arena.open(), direct: spill.direct })
  const totals = nodeResourcesOf(spec.resources, {
    numCpus: availableParallelism(),
    numGpus: 0,
    memoryBytes: MEMORY_BYTES,
  })
  const raylet = new Raylet(
    {
      transport,
      launcher: inlineLauncher(transport, openMemory),
      openStore,
      storage: new MemoryStorage(),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      log: silentLog,
      codec: new ValueCodec(),
    },
    {
      address: RAYLET_ADDRESS,
      sessionDir: 'inline',
      totals,
      labels: spec.labels,
      workersMax: WORKERS_MAX,
      owned: false,
      epoch: 1,
      pid: process.pid,
    },
  )
  await raylet.start()
  const restoreExit = endWorkersThatExit((worker, code) => {
    leaveOf.get(worker)?.({ code, signal: null })
  })
  const close = async (): Promise<void> => {
    restoreExit()
    await raylet.stop()
  }
  return {
    rayletAddress: RAYLET_ADDRESS,
    sessionDir: 'inline',
    transport,
    openMemory,
    close,
    abandon: close,
  }
}

/** A timer stands for the open connections: while something is awaited, the program does not end. */
function keepAlive(): (by: 1 | -1) => void {
  let count = 0
  let timer: NodeJS.Timeout | undefined
  return (by) => {
    count += by
    if (count > 0) timer ??= setInterval(() => undefined, KEEP_ALIVE_MS)
    else {
      clearInterval(timer)
      timer = undefined
    }
  }
}

function inlineLauncher(transport: Transport, openMemory: StartDeps['openMemory']): WorkerLauncher {
  return {
    start: ({ workerId }, events) => startWorker(workerId, events, { transport, openMemory }),
  }
}

const sources = new Sources({ read: readHomeFile, hash: systemHash })

type Leave = (exit: { readonly code: number | null; readonly signal: string | null }) => void

/** How each worker of this process ends. */
const leaveOf = new WeakMap<CoreWorker, Leave>()

/** A worker of this process. It cannot be killed: a signal makes the cluster forget it. */
function startWorker(
  workerId: WorkerId,
  events: WorkerEvents,
  deps: { transport: Transport; openMemory: StartDeps['openMemory'] },
): WorkerHandle {
  let made: CoreWorker | undefined
  let gone = false
  const leave: Leave = (exit) => {
    if (gone) return
    gone = true
    void made?.close()
    systemClock.immediate(() => {
      events.exited(exit)
    })
  }
  startCoreWorker(
    {
      transport: deps.transport,
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      finalization: systemFinalization,
      knowsIntegers,
      context: systemContext,
      stackView: systemStackView,
      openMemory: deps.openMemory,
      sources,
    },
    {
      role: 'worker',
      rayletAddress: RAYLET_ADDRESS,
      workerId,
      address: `inline-${toHex(workerId)}`,
      pid: process.pid,
    },
    (worker) => {
      made = worker
      leaveOf.set(worker, leave)
      const exit = (code: number): void => {
        leave({ code, signal: null })
      }
      const side = new WorkerSide(worker, {
        load: (identity) => lookup(identity, sources).fn as unknown as Runnable,
        setGpus: () => undefined,
        exit,
      })
      return liveUntilTold(worker, side, exit)
    },
  ).catch((error: unknown) => {
    events.output('stderr', Buffer.from(`${String(error)}\n`))
    leave({ code: 1, signal: null })
  })
  return {
    pid: process.pid,
    signal: (signal) => {
      leave({ code: null, signal })
    },
    pauseOutput: () => undefined,
    resumeOutput: () => undefined,
  }
}
