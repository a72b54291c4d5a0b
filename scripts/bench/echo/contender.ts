// The column `echo`: a message to another process over a Unix socket, and one back. One MessagePack
// frame per message, both ways, batched by nothing but the event loop. ECHO_POLLING=1: both ends
// poll, which is the column `echoPolling`.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveRow, type Workload } from '../contender.ts'
import { latency, latencyBehindOthers, timed } from '../latency.ts'
import { sweepLeftovers } from '../leftovers.ts'
import { ACTOR_COUNT, BATCH, CLIENT_CALL_COUNT, CLIENT_COUNT, CLIENT_TASK_COUNT } from '../sizes.ts'
import { openCaller } from './frames.ts'

interface Servers {
  readonly paths: readonly string[]
  /** Waits until they have ended, which they do when their clients have hung up. */
  end(): Promise<void>
}

async function startServers(count: number): Promise<Servers> {
  sweepLeftovers(tmpdir(), /^virga-echo-(\d+)-/)
  const folder = mkdtempSync(join(tmpdir(), `virga-echo-${process.pid}-`))
  const paths = Array.from({ length: count }, (_, i) => join(folder, `${i}.sock`))
  const servers = paths.map((path) =>
    spawn(process.execPath, [join(import.meta.dirname, 'server.ts'), path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const exits = servers.map((server) => once(server, 'exit'))
  await Promise.all(servers.map((server) => once(server.stdout, 'data')))
  return {
    paths,
    end: async () => {
      await Promise.all(exits)
      rmSync(folder, { recursive: true })
    },
  }
}

/** This process is the client. */
async function oneClient(): Promise<{ call: () => Promise<void>; end: () => Promise<void> }> {
  const servers = await startServers(1)
  const socket = connect(servers.paths[0] ?? '')
  await once(socket, 'connect')
  const end = async (): Promise<void> => {
    socket.end()
    await servers.end()
  }
  return { call: openCaller(socket), end }
}

async function alone(): Promise<Workload> {
  const { call, end } = await oneClient()
  return { run: call, end }
}

const batched =
  (unitsPerRun = BATCH) =>
  async (): Promise<Workload> => {
    const { call, end } = await oneClient()
    return { run: () => Promise.all(Array.from({ length: BATCH }, call)), unitsPerRun, end }
  }

async function lone(): Promise<Workload> {
  const { call, end } = await oneClient()
  return latency(() => timed(call), end)
}

async function behindOthers(): Promise<Workload> {
  const { call, end } = await oneClient()
  return latencyBehindOthers(call, { end })
}

/** Each client is a process, and calls all servers in turn. */
const several = (clientCount: number, serverCount: number, callsEach: number) => async () => {
  const servers = await startServers(serverCount)
  const clients = Array.from({ length: clientCount }, () =>
    fork(join(import.meta.dirname, 'client.ts'), servers.paths),
  )
  await Promise.all(clients.map((client) => once(client, 'message')))
  return {
    run: () =>
      Promise.all(
        clients.map((client) => {
          const done = once(client, 'message')
          client.send(callsEach)
          return done
        }),
      ),
    unitsPerRun: clientCount * callsEach,
    end: async () => {
      for (const client of clients) client.disconnect()
      await servers.end()
    },
  }
}

const toMany = several(1, ACTOR_COUNT, CLIENT_CALL_COUNT * ACTOR_COUNT)
const manyToMany = several(CLIENT_COUNT, ACTOR_COUNT, CLIENT_CALL_COUNT)

await serveRow({
  'single client tasks and get batch': batched(1),
  'single client tasks sync': alone,
  'single client tasks async': batched(),
  'multi client tasks async': several(CLIENT_COUNT, availableParallelism(), CLIENT_TASK_COUNT),
  '1:1 actor calls sync': alone,
  '1:1 actor calls async': batched(),
  '1:1 actor calls concurrent': batched(),
  '1:n actor calls async': toMany,
  'n:n actor calls async': manyToMany,
  '1:1 async-actor calls sync': alone,
  '1:1 async-actor calls async': batched(),
  '1:n async-actor calls async': toMany,
  'n:n async-actor calls async': manyToMany,
  'latency of a task': lone,
  'latency of a task behind 100': behindOthers,
  'latency of an actor call': lone,
})
