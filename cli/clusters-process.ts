// The clusters of this machine: finding one by what the user gave, starting and ending one.
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseInitOptions } from '../runtime/common/call-options.ts'
import { UsageError } from '../runtime/common/errors.ts'
import type { NewNodes, NodeCredentials } from '../runtime/common/node-credentials.ts'
import type { Random } from '../runtime/common/random.ts'
import {
  findCredentials,
  findCurrent,
  isAlive,
  listSessions,
  readNode,
  sessionRoot,
  sweepSessions,
  writeCurrent,
} from '../runtime/common/session-file.ts'
import type { SessionNode } from '../runtime/common/session-node.ts'
import { startRaylet, type RayletPlace } from '../sdk/cluster-process.ts'
import { ClusterNotReachableError } from './exit-codes.ts'
import { refuseForeignHost } from './own-address-process.ts'
import type { RayletClient } from './raylet-client.ts'
import type {
  Clusters,
  JoinOptions,
  NodeOptions,
  StartedCluster,
  StartOptions,
  TablesPlace,
} from './world.ts'

const POLL_MS = 20
const KILLED_WAIT_MS = 2_000

export interface ClustersDeps {
  dial(address: string): Promise<RayletClient>
  /** Credentials for the nodes of a new cluster, or of those that join one. */
  enrol(nodes: NewNodes): Promise<NodeCredentials[]>
  /**
   * Makes the tables of a new cluster; without an endpoint, finds those that are deployed in AWS.
   * @throws UsageError when the AWS SDK is not installed, AWS refuses, or they are not there.
   */
  makeTables(cluster: string, endpoint: string | undefined): Promise<void>
  readonly random: Random
}

export function clustersOf(deps: ClustersDeps): Clusters {
  return {
    find,
    current: findCurrent,
    list: listSessions,
    ownedBy: (pid) =>
      listSessions().filter((node) =>
        basename(node.sessionDir).startsWith(`session-${String(pid)}-`),
      ),
    nodesOf: clusterNodes,
    connect: async (node) => {
      try {
        return await deps.dial(node.address)
      } catch (error) {
        throw asUnreachable(error, node.address)
      }
    },
    start: (options) => start(options, deps),
    join: (address, options) => joinNodes(find(address), options, deps),
    ended,
    leftovers,
  }
}

function clusterNodes({
  sessionDir,
  cluster,
}: Pick<SessionNode, 'sessionDir' | 'cluster'>): SessionNode[] {
  return listSessions().filter(
    (node) => node.sessionDir === sessionDir || (cluster !== undefined && node.cluster === cluster),
  )
}

function asUnreachable(error: unknown, address: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT') return error
  return noRaylet(address, ` (${code})`)
}

function find(address: string | undefined): SessionNode {
  const given = address ?? process.env['VIRGA_ADDRESS'] ?? ''
  if (given === '' || given === 'auto') return findCurrent() ?? findOnly()
  if (given.startsWith('unix:')) return atSocket(given.slice('unix:'.length))
  const port = /^(?:127\.0\.0\.1|localhost):(\d+)$/.exec(given)?.[1]
  if (port === undefined) {
    throw new UsageError(
      `address '${given}' is none that this version can reach: give 'unix:PATH' or ` +
        "'127.0.0.1:PORT'; other machines and aws:// need a later version",
    )
  }
  const found = listSessions().find((node) => node.port === Number(port))
  if (found !== undefined) return found
  throw new ClusterNotReachableError(
    `no cluster of this machine is known as ${given}; start one with virga start --port ${port}`,
  )
}

/** No `virga start`, but a program that runs has a cluster of its own: that is meant then. */
function findOnly(): SessionNode {
  const [only, ...others] = listSessions()
  if (only === undefined) {
    throw new ClusterNotReachableError(
      'no cluster runs on this machine; start one with virga start, or a program with ' +
        'virga run app.ts',
    )
  }
  if (others.length === 0) return only
  const list = [only, ...others].map((node) => `  unix:${node.address}`).join('\n')
  throw new UsageError(`several clusters run here; choose one with --address:\n${list}`)
}

function atSocket(path: string): SessionNode {
  const node = readNode(dirname(path))
  if (node !== undefined && node.address === path && isAlive(node)) return node
  throw noRaylet(path)
}

function noRaylet(path: string, why = ''): ClusterNotReachableError {
  return new ClusterNotReachableError(
    `no raylet answers at unix:${path}${why}: it has ended; start a cluster with virga start`,
  )
}

async function start(options: StartOptions, deps: ClustersDeps): Promise<StartedCluster> {
  const { port } = options
  const spec = specOf(options)
  sweepSessions()
  refuseSecond(port)
  // Held until the cluster is known: of two `virga start` at once, one is told to go away.
  const release = await holdStart()
  try {
    refuseSecond(port)
    const first = await startNodes(spec, options, deps)
    writeCurrent(first.node)
    return first
  } finally {
    release()
  }
}

type NodeSpec = ReturnType<typeof parseInitOptions>

function specOf(options: NodeOptions): NodeSpec {
  const { numCpus, numGpus, resources, labels, objectStoreMemoryBytes } = options
  return parseInitOptions(
    withoutUndefined({ numCpus, numGpus, resources, labels, objectStoreMemoryBytes }),
  )
}

interface Joining extends Pick<RayletPlace, 'gcs' | 'nodesHere'> {
  readonly credentials: readonly NodeCredentials[]
}

interface StartedNode extends StartedCluster {
  /** Nothing, where it has ended by itself. */
  readonly end: () => void
}

/** The first node makes the cluster; the others join it. All or none: who started is ended again. */
async function startNodes(
  spec: NodeSpec,
  { port, nodes, host, tables }: Pick<StartOptions, 'port' | 'nodes' | 'host' | 'tables'>,
  deps: ClustersDeps,
): Promise<StartedCluster> {
  if (nodes === undefined && tables === undefined) return startNode(spec, { port }, deps)
  const count = nodes ?? 1
  await refuseForeignHost(host)
  const [own, ...joining] = await deps.enrol({ count, host, cluster: tables?.cluster })
  if (own === undefined) throw new Error('a cluster has one node at least')
  if (tables !== undefined) await deps.makeTables(own.cluster, tables.endpointUrl)
  const inTables = placeOf(tables)
  const place = { credentials: own, gcs: inTables ?? 'HERE', nodesHere: count }
  const first = await startNode(spec, { port, ...place }, deps)
  const gcs = inTables ?? first.node.nodeAddress ?? ''
  const others = { credentials: joining, gcs, nodesHere: count }
  await startAll(spec, others, deps).catch(async (error: unknown) => {
    await gone(first, 'end')
    throw error
  })
  return first
}

/** All or none: nodes of a cluster that runs. They need no turn, as several may come. */
async function joinNodes(
  { sessionDir, gcs, address, ...found }: SessionNode,
  options: JoinOptions,
  deps: ClustersDeps,
): Promise<StartedCluster> {
  const spec = specOf(options)
  const join = findCredentials(sessionDir)
  if (join === undefined || gcs === undefined) {
    throw new UsageError(
      `the cluster at unix:${address} is one node that listens for no others. End it with virga ` +
        'stop, and start one that others can join: virga start --nodes 1 or more, or with ' +
        '--gcs dynamodb',
    )
  }
  const { nodes: count = 1, host } = options
  await refuseForeignHost(host)
  const nodesHere = clusterNodes({ sessionDir, ...found }).length + count
  const credentials = await deps.enrol({ count, host, join })
  const started = await startAll(spec, { credentials, gcs, nodesHere }, deps)
  const [first] = started
  if (first === undefined) throw new Error('one node joins at least')
  return {
    node: first.node,
    gone: Promise.all(started.map(({ gone }) => gone)).then(() => undefined),
    hold: () => {
      for (const each of started) each.hold()
    },
    leave: () => {
      for (const each of started) each.leave()
    },
  }
}

/** @throws when one does not start; the others leave then: they may be at work already. */
async function startAll(
  spec: NodeSpec,
  { credentials, ...place }: Joining,
  deps: ClustersDeps,
): Promise<StartedNode[]> {
  const outcomes = await Promise.allSettled(
    credentials.map((each) =>
      startNode(spec, { port: undefined, credentials: each, ...place }, deps),
    ),
  )
  const started = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = outcomes.find((each) => each.status === 'rejected')
  if (failed === undefined) return started
  await Promise.all(started.map((each) => gone(each, 'leave')))
  throw failed.reason
}

async function gone(node: StartedNode, how: 'end' | 'leave'): Promise<void> {
  node.hold()
  node[how]()
  await node.gone
}

async function startNode(
  spec: NodeSpec,
  place: Omit<RayletPlace, 'owned'>,
  deps: ClustersDeps,
): Promise<StartedNode> {
  const { child, sessionDir, gone } = await startRaylet(
    spec,
    { owned: false, ...place },
    deps.random,
  )
  const node = readNode(sessionDir)
  if (node === undefined) throw new Error(`the raylet wrote no node.json in ${sessionDir}`)
  return {
    node,
    gone,
    hold: () => {
      child.ref()
    },
    end: () => {
      child.kill('SIGINT')
    },
    leave: () => {
      child.kill('SIGTERM')
    },
  }
}

/** As a raylet is told where the GCS is. */
const placeOf = (tables: TablesPlace | undefined): string | undefined =>
  tables && (tables.endpointUrl ?? 'AWS')

function withoutUndefined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function refuseSecond(port: number): void {
  const current = findCurrent()
  const other = current ?? listSessions().find((node) => node.port === port)
  if (other === undefined) return
  throw new UsageError(
    `a cluster runs already (pid ${String(other.pid)}, unix:${other.address}): programs find it ` +
      'by themselves. To start another, end it with virga stop.',
  )
}

/** A socket that only one process can listen on; the kernel frees it, however that one ends. */
function holdStart(): Promise<() => void> {
  const name = `\0virga-start-${sessionRoot()}`
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const busy = error.code === 'EADDRINUSE'
      reject(busy ? new UsageError('another virga start is at work here; try again') : error)
    })
    if (process.platform !== 'linux') {
      resolve(() => undefined)
      return
    }
    server.listen(name, () => {
      resolve(() => {
        server.close()
      })
    })
  })
}

async function ended(node: SessionNode, graceMs: number): Promise<boolean> {
  if (await goneWithin(node, graceMs)) {
    sweepSessions() // of nodes of the same cluster that were killed earlier
    return true
  }
  // It may have died and left its folder; its pid may be another's by now.
  if (isAlive(node)) {
    process.kill(node.pid, 'SIGKILL')
    await goneWithin(node, KILLED_WAIT_MS)
  }
  sweepSessions()
  return false
}

async function goneWithin(node: SessionNode, limitMs: number): Promise<boolean> {
  const endMs = performance.now() + limitMs
  while (isAlive(node) || existsSync(node.sessionDir)) {
    if (performance.now() > endMs) return false
    await sleep(POLL_MS)
  }
  return true
}

function leftovers(): ReturnType<Clusters['leftovers']> {
  const root = sessionRoot()
  const alive = new Set(listSessions().map((node) => node.sessionDir))
  const stale = readdirSync(root)
    .filter((name) => name.startsWith('session-'))
    .map((name) => join(root, name))
    .filter((dir) => !alive.has(dir) && !isStarting(dir))
  return { root, stale }
}

/** A folder without node.json is being made, as long as its maker lives. */
function isStarting(dir: string): boolean {
  const pid = Number(/^session-(\d+)-/.exec(basename(dir))?.[1])
  return readNode(dir) === undefined && isAlive({ pid, startTime: '' })
}
