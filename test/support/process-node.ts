// A node with real worker processes, whose raylet lives in the process of the test: what a raylet
// takes from the machine, the test can give it instead. Drivers join by `address`.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../runtime/common/clock-system.ts'
import { toHex } from '../../runtime/common/ids.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../runtime/common/random-system.ts'
import { nodeResourcesOf } from '../../runtime/common/resource-demand.ts'
import {
  createSessionDir,
  rayletSocket,
  removeSessionDir,
  startTimeOf,
  writeNode,
} from '../../runtime/common/session-file.ts'
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import { udsTransport } from '../../runtime/protocol/connection-uds.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'
import { processLauncher } from '../../runtime/raylet/launcher-process.ts'
import type { MemoryProbe } from '../../runtime/raylet/memory-probe.ts'
import { openNodeStore } from '../../runtime/raylet/node-store-file.ts'
import { Raylet } from '../../runtime/raylet/raylet.ts'
import { Sentinel } from '../../runtime/raylet/sentinel-process.ts'
import { makeStripService, serveStrip } from '../../runtime/raylet/strip-process.ts'
import type { WorkerLauncher } from '../../runtime/raylet/worker-launcher.ts'

const MIB = 1024 * 1024
const ROOT = join(import.meta.dirname, '../..')

export interface ProcessNode {
  /** For init(). */
  readonly address: string
  stop(): Promise<void>
}

export async function startProcessNode(options: {
  readonly numCpus: number
  readonly memory: MemoryProbe
  /** Told of each worker process that started, before anything of it can be heard. */
  readonly started?: (pid: number) => void
}): Promise<ProcessNode> {
  const { numCpus, memory, started } = options
  const sessionDir = createSessionDir(Buffer.from(systemRandom.bytes(3)).toString('hex'))
  mkdirSync(join(sessionDir, 'spill'))
  mkdirSync(join(sessionDir, 'workers'))
  const address = rayletSocket(sessionDir)
  const fail = (error: unknown): never => {
    throw error
  }
  const raylet = new Raylet(
    {
      transport: udsTransport(fail),
      launcher: launcherOf(sessionDir, fail, started),
      openStore: (clients) =>
        openNodeStore(
          { log: silentLog, clients, random: systemRandom },
          { sessionDir, kind: 'file', sizeBytes: 64 * MIB, nodesHere: 1 },
        ),
      storage: new MemoryStorage(),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      log: silentLog,
      codec: new ValueCodec(),
      memory,
    },
    {
      address,
      sessionDir,
      totals: nodeResourcesOf({}, { numCpus, numGpus: 0, memoryBytes: 1024 * MIB }),
      workersMax: 64,
      owned: false,
      epoch: Date.now(),
      pid: process.pid,
    },
  )
  await raylet.start()
  const { nodeId, epoch } = raylet.state.config
  const startTime = startTimeOf(process.pid)
  writeNode({ pid: process.pid, startTime, address, sessionDir, nodeId: toHex(nodeId), epoch })
  return {
    address: `unix:${address}`,
    stop: async () => {
      await raylet.stop()
      removeSessionDir(sessionDir)
    },
  }
}

function launcherOf(
  sessionDir: string,
  fail: (error: unknown) => never,
  started: ((pid: number) => void) | undefined,
): WorkerLauncher {
  const strip = makeStripService()
  const launcher = processLauncher(
    {
      log: silentLog,
      serveStrip: (stream) => {
        serveStrip(stream, strip, fail)
      },
      sentinel: new Sentinel(sessionDir),
    },
    {
      workerMain: join(ROOT, 'dist/worker-main.js'),
      execPath: process.execPath,
      rayletAddress: rayletSocket(sessionDir),
      sessionDir,
    },
  )
  return {
    start: (worker, events) => {
      const handle = launcher.start(worker, events)
      if (handle.pid > 0) started?.(handle.pid)
      return handle
    },
  }
}
