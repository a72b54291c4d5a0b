// A cluster whose nodes a test starts one by one, each on a host of its own (namespaces.ts) where
// that can be had, else all on this machine's loopback: to be killed, cut off and replaced.
// Programs and the GCS are reached as in a cluster of `virga start`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { NodeCredentials } from '../../runtime/common/node-credentials.ts'
import { systemRandom } from '../../runtime/common/random-system.ts'
import { isAlive, writeCredentials } from '../../runtime/common/session-file.ts'
import type { SessionNode } from '../../runtime/common/session-node.ts'
import { enrolNodes } from '../../runtime/protocol/enrol-system.ts'
import type { StateRow as Row } from '../../runtime/protocol/messages.ts'
import { isRunning } from './is-running.ts'
import type { Namespaces } from './namespaces.ts'
import { processesOf, signal } from './node-processes.ts'
import { dialRaylet, type RayletClient } from './raylet-client.ts'
import { envIn, running, type Child, type Running } from './running.ts'
import { until } from './waiting.ts'

const ROOT = join(import.meta.dirname, '../..')
const LOOPBACK = '127.0.0.1'
/** Lives that a cluster's nodes can have altogether: each needs a certificate of its own. */
const LIVES_MAX = 64

export interface SeveralNodesOptions {
  readonly hosts: number
  /** Of each node, or by its host. */
  readonly numCpus: number | ((host: number) => number)
  /** What raylets and programs of that host have in their environment beside this process's. */
  readonly env?: (host: number) => NodeJS.ProcessEnv
  /** Undefined: all nodes share this machine's network. */
  readonly network: Namespaces | undefined
  /** Of DynamoDB and S3; undefined: the first node holds the GCS. */
  readonly endpoint?: string
  readonly objectStoreMemoryBytes?: number
  /** Whether, of those that start, that one may be the first, which holds the GCS. Default: any. */
  readonly mayBeFirst?: (nodeId: string, all: readonly string[]) => boolean
}

/** One life of a node. */
export interface Node extends SessionNode {
  readonly host: number
  readonly child: Child
}

export class SeveralNodes {
  readonly #options: SeveralNodesOptions
  readonly #identities: NodeCredentials[]
  /** Of sessions. Sockets lie below it, so it must be short. */
  readonly runtimeDir = mkdtempSync(join(tmpdir(), 'vn-'))
  readonly #nodes: Node[] = []
  /** What each frozen node had, the raylet first. */
  readonly #frozen = new Map<Node, readonly number[]>()
  /** Or frozen. Their processes may take a while to end. */
  readonly #killed = new Set<Node>()
  readonly #programs = new Set<Child>()
  readonly #clients = new Map<string, RayletClient>()
  #lives = 0

  constructor(options: SeveralNodesOptions) {
    this.#options = options
    const host = LOOPBACK
    const identities = enrolNodes({ count: LIVES_MAX, host }, Date.now(), systemRandom)
    const { hosts, mayBeFirst = () => true } = options
    const all = identities.slice(0, hosts).map(({ nodeId }) => nodeId)
    const [first] = identities.splice(
      all.findIndex((nodeId) => mayBeFirst(nodeId, all)),
      1,
    )
    this.#identities = first === undefined ? identities : [first, ...identities]
  }

  /** A node on each host. */
  static async start(options: SeveralNodesOptions): Promise<SeveralNodes> {
    const cluster = new SeveralNodes(options)
    try {
      await cluster.add(0)
      const others = Array.from({ length: options.hosts - 1 }, (_, index) => index + 1)
      await Promise.all(others.map((host) => cluster.add(host)))
      return cluster
    } catch (error) {
      await cluster.remove()
      throw error
    }
  }

  /** Part of the names of its tables. */
  get name(): string {
    return this.#identities[0]?.cluster ?? ''
  }

  /** Those that were started and live, by their hosts. */
  get nodes(): readonly Node[] {
    const living = this.#nodes.filter((node) => !this.#killed.has(node) && isAlive(node))
    return living.toSorted((a, b) => a.host - b.host)
  }

  /** @throws when none lives there. */
  on(host: number): Node {
    const found = this.nodes.find((node) => node.host === host)
    if (found === undefined) throw new Error(`no node lives on host ${host}`)
    return found
  }

  /** Starts a node there, under a new identity; resolves when it is a member. */
  async add(host: number): Promise<Node> {
    const { network, numCpus, endpoint, hosts, objectStoreMemoryBytes } = this.#options
    const identity = this.#identities[this.#lives]
    if (identity === undefined) throw new Error(`a cluster has ${LIVES_MAX} lives of nodes at most`)
    const isFirst = this.#lives === 0
    this.#lives += 1
    const name = `session-${String(process.pid)}-${String(this.#lives)}`
    const sessionDir = join(this.runtimeDir, 'virga', name)
    mkdirSync(join(sessionDir, 'logs'), { recursive: true, mode: 0o700 })
    writeCredentials(sessionDir, { ...identity, host: network?.addresses[host] ?? LOOPBACK })
    const options = {
      sessionDir,
      resources: { numCpus: typeof numCpus === 'number' ? numCpus : numCpus(host) },
      labels: { host: String(host) },
      objectStoreMemoryBytes,
      objectStore: 'shm',
      owned: false,
      gcs: endpoint ?? (isFirst ? 'HERE' : this.#nodes[0]?.nodeAddress),
      nodesHere: hosts,
    }
    const child = this.#spawn(host, [join(ROOT, 'dist/raylet-main.js')], {
      VIRGA_RAYLET_OPTIONS: JSON.stringify(options),
    })
    const node = { host, child, ...(await saidReady(child)) }
    this.#nodes.push(node)
    return node
  }

  /** Runs a program of the user on that host. Its driver's home is the host's node. */
  program(host: number, file: string, args: readonly string[] = []): Running {
    const address = { VIRGA_ADDRESS: `unix:${this.on(host).address}` }
    const child = this.#spawn(host, [file, ...args], address)
    this.#programs.add(child)
    child.once('close', () => this.#programs.delete(child))
    return running(child)
  }

  /** What `virga list KIND` shows, as the node of that host tells it. */
  async rows(kind: string, host = this.nodes[0]?.host ?? 0): Promise<readonly Row[]> {
    const { address } = this.on(host)
    const client = this.#clients.get(address) ?? (await dialRaylet(address))
    this.#clients.set(address, client)
    return await client.rows(kind)
  }

  /** Nodes that the GCS has declared dead, as that host hears of it. */
  async dead(host?: number): Promise<readonly Row[]> {
    return (await this.rows('nodes', host)).filter((row) => row['alive'] === false)
  }

  /** Kills the raylet of that host; its workers end with it. */
  async kill(host: number): Promise<void> {
    const node = this.on(host)
    const { child } = node
    this.#killed.add(node)
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  /** Stops a node as when its machine stands still: it counts as living no more. */
  freeze(host: number): Node {
    const node = this.on(host)
    this.#killed.add(node)
    signal(node.pid, 'SIGSTOP') // first, so that it starts no worker meanwhile
    const pids = processesOf(node.pid)
    for (const pid of pids) signal(pid, 'SIGSTOP')
    this.#frozen.set(node, pids)
    return node
  }

  /** It goes on. Resolves once it has ended with its workers, as who was declared dead has to. */
  async thaw(node: Node): Promise<void> {
    const pids = this.#frozen.get(node) ?? []
    this.#frozen.delete(node)
    for (const pid of pids) signal(pid, 'SIGCONT')
    await until(() => !pids.some(isRunning))
  }

  /** Waits until every living node sees that many living ones. */
  async settled(count = this.nodes.length, limitMs?: number): Promise<void> {
    await until(async () => {
      const seen = await Promise.all(this.nodes.map(({ host }) => this.rows('nodes', host)))
      return seen.every((rows) => rows.filter((row) => row['alive'] === true).length === count)
    }, limitMs)
  }

  /** What is leased, by all living nodes; `[]` when every resource is free. */
  async leased(host?: number): Promise<readonly Row[]> {
    return (await this.rows('resources', host)).filter((row) => row['free'] !== row['total'])
  }

  /** Kills the programs that a failed test has left. */
  endPrograms(): void {
    for (const child of this.#programs) child.kill('SIGKILL')
  }

  /** Names of session folders that are still there. */
  left(): string[] {
    return readdirSync(join(this.runtimeDir, 'virga')).filter((name) => name.startsWith('session-'))
  }

  /** Ends all that lives, without asking, and removes what it left. */
  async remove(): Promise<void> {
    for (const client of this.#clients.values()) client.close()
    this.endPrograms()
    for (const pid of [...this.#frozen.values()].flat()) signal(pid, 'SIGKILL')
    await Promise.all(this.nodes.map(({ host }) => this.kill(host)))
    rmSync(this.runtimeDir, { recursive: true, force: true, maxRetries: 5 })
  }

  #spawn(host: number, args: readonly string[], more: NodeJS.ProcessEnv): Child {
    const command = [process.execPath, ...args]
    const [file = '', ...rest] = this.#options.network?.commandOn(host, command) ?? command
    return spawn(file, rest, {
      env: { ...envIn(this.runtimeDir), ...this.#options.env?.(host), ...more },
      cwd: this.runtimeDir,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
}

/** @throws what the raylet wrote, when it ends instead. */
async function saidReady({ stdout, stderr }: Child): Promise<SessionNode> {
  let errors = ''
  stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  for await (const line of createInterface({ input: stdout })) {
    stdout.resume()
    return JSON.parse(line) as SessionNode
  }
  throw new Error(`the node did not start: ${errors}`)
}
