#!/usr/bin/env node
// The `virga` command: composition root. It loads the parts of the world that a command needs when
// the command asks, because every command starts here and most need little.
import { createRequire } from 'node:module'
import { systemClock } from '../runtime/common/clock-system.ts'
import type { NewNodes, NodeCredentials } from '../runtime/common/node-credentials.ts'
import { runCommandLine } from './program.ts'
import { endQuietlyWithoutReader, terminal } from './terminal-process.ts'
import type { RayletClient } from './raylet-client.ts'
import type { World } from './world.ts'

const world: World = {
  screen: terminal,
  clock: systemClock,
  env: process.env,
  version: versionOfPackage(),
  clusters: async () => {
    const [{ clustersOf }, { systemRandom: random }] = await Promise.all([
      import('./clusters-process.ts'),
      import('../runtime/common/random-system.ts'),
    ])
    const enrol = async (nodes: NewNodes): Promise<NodeCredentials[]> => {
      const { enrolNodes } = await import('../runtime/protocol/enrol-system.ts')
      return enrolNodes(nodes, systemClock.nowMs(), random)
    }
    return clustersOf({ dial: connect, enrol, makeTables, random })
  },
  programs: () => import('./program-process.ts'),
  machine: async () => (await import('./machine-system.ts')).machine,
  logs: () => import('./logs-file.ts'),
  writeFile: async (path, text) => {
    const { writeFile } = await import('node:fs/promises')
    await writeFile(path, text)
  },
  sleep: (ms, until) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms)
      until?.then(
        () => {
          clearTimeout(timer)
          resolve()
        },
        (error: unknown) => {
          clearTimeout(timer)
          reject(error)
        },
      )
    }),
  onInterrupt: (run) => {
    const signals = ['SIGINT', 'SIGTERM'] as const
    for (const signal of signals) process.on(signal, run)
    return () => {
      for (const signal of signals) process.off(signal, run)
    }
  },
}

function versionOfPackage(): string {
  const { version } = createRequire(import.meta.url)('virga/package.json') as { version: string }
  return version
}

/** A connection of the role `cli`: it asks, brings no job, and keeps no raylet alive. */
async function connect(address: string): Promise<RayletClient> {
  const [{ dialUds }, { RayletLink }, { ValueCodec }, ids, { systemRandom }, messages] =
    await Promise.all([
      import('../runtime/protocol/connection-uds.ts'),
      import('../runtime/core-worker/raylet-link.ts'),
      import('../runtime/protocol/value-codec.ts'),
      import('../runtime/common/ids.ts'),
      import('../runtime/common/random-system.ts'),
      import('../runtime/protocol/messages.ts'),
    ])
  const connection = await dialUds(address)
  const link = new RayletLink(connection, { clock: systemClock, codec: new ValueCodec() })
  const ignore = (): void => undefined
  link.start(new Proxy({} as Parameters<typeof link.start>[0], { get: () => ignore }))
  const welcome = await link.request('hello', {
    magic: 'virga',
    protocolMin: messages.PROTOCOL_VERSION,
    protocolMax: messages.PROTOCOL_VERSION,
    role: 'cli',
    workerId: ids.newWorkerId(systemRandom),
    pid: process.pid,
    address: '',
  })
  return {
    nodeId: ids.toHex(welcome.nodeId),
    sessionDir: welcome.sessionDir,
    state: (kind) => link.request('state', { kind, limit: ROWS_MAX }),
    lastSummary: async () => (await link.request('awaitStop', {})).rows,
    stop: async () => {
      await link.request('stop', {})
    },
    removeGroup: async (groupId) => {
      await link.request('removeGroup', { groupId })
    },
    close: () => {
      link.close()
    },
  }
}

async function makeTables(cluster: string, endpoint: string | undefined): Promise<void> {
  const [{ loadDynamoGcs }, { silentLog }, { systemHash: hash, systemRandom: random }, tables] =
    await Promise.all([
      import('../runtime/gcs/dynamodb-loader.ts'),
      import('../runtime/common/log.ts'),
      import('../runtime/common/random-system.ts'),
      import('../runtime/gcs/tables.ts'),
    ])
  const gcs = await loadDynamoGcs(
    { clock: systemClock, log: silentLog, hash, random },
    { cluster, bucket: tables.bucketOf(cluster), ...(endpoint === undefined ? {} : { endpoint }) },
  )
  gcs.close()
}

/** What a raylet keeps at most of one kind: whoever shows fewer says how many there are. */
const ROWS_MAX = 1_000_000

async function main(): Promise<void> {
  endQuietlyWithoutReader()
  process.exitCode = await runCommandLine(world, process.argv.slice(2))
}

void main().catch((error: unknown) => {
  process.stderr.write(`virga: ${error instanceof Error ? (error.stack ?? '') : String(error)}\n`)
  process.exitCode = 1
})
