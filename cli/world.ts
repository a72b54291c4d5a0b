// What the commands need of the world, as ports. main.ts hands them in, each loaded at first use,
// so that `virga --help` loads nothing of a cluster and tests can give their own.
import type { Clock } from '../runtime/common/clock.ts'
import type { SessionNode } from '../runtime/common/session-node.ts'
import type { RayletClient } from './raylet-client.ts'

export interface World {
  readonly screen: Screen
  readonly clock: Clock
  readonly env: Readonly<Record<string, string | undefined>>
  /** Of package.json. */
  readonly version: string
  clusters(): Promise<Clusters>
  programs(): Promise<Programs>
  machine(): Promise<Machine>
  logs(): Promise<Logs>
  writeFile(path: string, text: string): Promise<void>
  /** Until `until` at most. Keeps this process open meanwhile, unlike a timer of the clock. */
  sleep(ms: number, until?: Promise<unknown>): Promise<void>
  /** Calls `run` at Ctrl-C and SIGTERM, instead of ending; returns what undoes it. */
  onInterrupt(run: () => void): () => void
}

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Standard output and error. Colours and views that move are for terminals alone. */
export interface Screen {
  readonly isTty: boolean
  /** Whether standard error is a terminal. */
  readonly isErrorTty: boolean
  /** One line, or several, on standard output. */
  print(text: string): void
  /** On standard error: what is not the answer itself. */
  note(text: string): void
  paint(paint: Paint, text: string): string
  /** Text that replaces itself; on a terminal only. */
  view(stream: 'stdout' | 'stderr'): Promise<LiveView>
}

export interface LiveView {
  /** How many characters fit into a line of it now. */
  readonly columns: number
  show(text: string): void
  /** Written above the view, and stays. */
  above(stream: 'stdout' | 'stderr', chunk: Uint8Array): void
  /** Ends the view, leaving it on the screen, or nothing of it. */
  done(o: { readonly keep: boolean }): void
}

/** The clusters of this machine. */
export interface Clusters {
  /**
   * The cluster that is meant: `address`, else VIRGA_ADDRESS, else that of `virga start`, else the
   * only one that runs.
   * @throws UsageError for an address that this version cannot reach; ClusterNotReachableError.
   */
  find(address: string | undefined): SessionNode
  /** The cluster of `virga start`. */
  current(): SessionNode | undefined
  list(): SessionNode[]
  /** Clusters that a process started for itself, by its pid. */
  ownedBy(pid: number): SessionNode[]
  /** The living nodes of the cluster that it is a node of, itself included. */
  nodesOf(node: SessionNode): SessionNode[]
  connect(node: Pick<SessionNode, 'address'>): Promise<RayletClient>
  start(options: StartOptions): Promise<StartedCluster>
  /**
   * Starts nodes here that join the cluster at that address.
   * @throws UsageError for a cluster of one node that listens for no others.
   */
  join(address: string, options: JoinOptions): Promise<StartedCluster>
  /** Waits until the raylet has gone; kills it when it does not. False: it had to be killed. */
  ended(node: SessionNode, graceMs: number): Promise<boolean>
  leftovers(): { readonly root: string; readonly stale: readonly string[] }
}

/** Of each node. */
export interface NodeOptions {
  readonly numCpus: number | undefined
  readonly numGpus: number | undefined
  readonly resources: unknown
  readonly labels: unknown
  readonly objectStoreMemoryBytes: number | undefined
}

export interface JoinOptions extends NodeOptions {
  /** How many, all on this machine; undefined: one, and of a new cluster the only one for good. */
  readonly nodes: number | undefined
  /** The address of this machine at which nodes reach each other. */
  readonly host: string
}

export interface StartOptions extends JoinOptions {
  readonly port: number
  /** What holds the GCS; undefined: the first node, in its memory. */
  readonly tables: TablesPlace | undefined
}

/** DynamoDB and S3. */
export interface TablesPlace {
  /** An emulator's; undefined: AWS, where the tables of that cluster are deployed. */
  readonly endpointUrl: string | undefined
  /** The cluster's name, which its tables have; undefined: one that is made up. */
  readonly cluster: string | undefined
}

export interface StartedCluster {
  readonly node: SessionNode
  /** Resolves when the raylet has ended. */
  readonly gone: Promise<void>
  /** Keeps this process open until then. */
  readonly hold: () => void
  /** What was started hands on what it has, and goes; others of its cluster stay. */
  readonly leave: () => void
}

/** User programs. */
export interface Programs {
  run(options: ProgramOptions): RunningProgram
}

export interface ProgramOptions {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** A stream that is not given is inherited. */
  readonly onOutput?: { stdout?(chunk: Uint8Array): void; stderr?(chunk: Uint8Array): void }
}

export interface RunningProgram {
  readonly pid: number
  /** Its own code, or 128 + the number of the signal that ended it. */
  readonly ended: Promise<number>
}

/** Facts of this machine, for `doctor` and `top`. */
export interface Machine {
  readonly platform: string
  readonly nodeVersion: string
  readonly cpuCount: number
  readonly execPath: string
  sharedMemory(): { readonly sizeBytes: number; readonly freeBytes: number } | undefined
  mountOptions(path: string): readonly string[] | undefined
  koffi(): Promise<string | undefined>
  /** Soft limits of this process; Infinity for none, undefined where they cannot be read. */
  limits(): { readonly openFiles: number | undefined; readonly processes: number | undefined }
  memory(): { readonly totalBytes: number; readonly cgroupBytes: number | undefined }
  sessionRoot(): { readonly path: string; readonly freeBytes: number; readonly mode: number }
  /** CPU time and memory of processes; one that has ended is left out. */
  usage(pids: readonly number[]): ReadonlyMap<number, ProcessUsage>
}

export interface ProcessUsage {
  readonly cpuMs: number
  readonly rssBytes: number
}

/** Log files of one session folder. */
export interface Logs {
  /** Their names without `.log`: raylet, worker-1a2b3c4d. */
  names(sessionDir: string): readonly string[]
  /** All that is kept of one log, the oldest first, then what comes until `stopped`. */
  read(
    sessionDir: string,
    name: string,
    o: { readonly follow?: FollowOptions },
  ): AsyncIterable<string>
}

export interface FollowOptions {
  stopped(): boolean
}

/** What a command was called with. */
export interface Input {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  readonly json: boolean
  readonly address: string | undefined
}

/** A command: resolves with its exit code. */
export type Run = (world: World, input: Input) => Promise<number>
