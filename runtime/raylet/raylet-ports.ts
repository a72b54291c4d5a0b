// What a raylet is made of and with: the ports its shell performs effects through, and its options.
import type { Clock } from '../common/clock.ts'
import type { NodeId } from '../common/ids.ts'
import type { Log } from '../common/log.ts'
import type { Hash, Random } from '../common/random.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { UnitTotals } from '../gcs/meter.ts'
import type { Storage } from '../gcs/storage.ts'
import type { Transport } from '../protocol/connection.ts'
import type { StoreClients } from '../objects/store.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import type { ClusterPorts } from './cluster/cluster-member.ts'
import type { MemoryProbe } from './memory-probe.ts'
import type { NodeStore } from './node-store.ts'
import type { WorkerLauncher } from './worker-launcher.ts'
import type { LogSinks } from './worker-processes.ts'

/** A node's identity: what it has written under this name, nobody else ever writes. */
export interface NodeEpoch {
  readonly nodeId: NodeId
  readonly epoch: number
}

export interface RayletDeps {
  readonly transport: Transport
  readonly launcher: WorkerLauncher
  /** Called once, when the first client says hello. */
  readonly openStore: (clients: StoreClients, node: NodeEpoch) => Promise<NodeStore>
  readonly storage: Storage
  /** What the storage has cost this node; absent: it costs nothing. */
  readonly units?: UnitTotals
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly log: Log
  /** For control messages: no handles. */
  readonly codec: ValueCodec
  /** Where workers' lines go to stay; absent: they reach their driver only. */
  readonly logSinks?: LogSinks
  /** Absent: memory is not watched. */
  readonly memory?: MemoryProbe
  /** CPU time that this process has used, all its threads; absent: it counts as none. */
  readonly usedCpuMs?: () => number
  /** Absent: the cluster is this node alone. */
  readonly cluster?: ClusterPorts
}

export interface RayletOptions {
  /** Where it listens. */
  readonly address: string
  readonly sessionDir: string
  /** In units, as nodeResourcesOf makes them. */
  readonly totals: ResourceSet
  readonly labels?: Readonly<Record<string, string>>
  /** Workers started ahead for a job, and kept idle. Default: the CPUs, rounded up. */
  readonly prestart?: number
  readonly workersMax: number
  /** Made by one driver: leaves when it leaves. */
  readonly owned: boolean
  /** Default: a random one. */
  readonly nodeId?: NodeId
  /** Larger than that of any raylet of this node before. */
  readonly epoch: number
  readonly pid: number
}
