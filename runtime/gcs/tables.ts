// Where things lie in the GCS: the tables as they are created in the cloud, and the key of every
// kind of row. Nothing else makes a key.
//   cluster    N#0..7    | nodeId          node: epoch, heartbeat, address, totals, state, commands
//              M         | V               membership: cluster epoch, version, its latest changes
//              JOBS      | submissionId    job; JOBQ | submissionId while it is still pending
//              J#job#0..7| A#actor         actor: incarnation, holder, epoch; expires once DEAD.
//                        |                 Or a mark that it was refused its name (AC4): expires
//                        | P#group         placement group: coordinator, node of each bundle; once
//                        |                 removed a mark (GP2): expires
//              NAME#ns   | name            the actor that has the name; after a doubt a mark that
//                        |                 it is free (NM1): expires
//              H#node#e  | actorId         an actor that a node holds, in one epoch of its life,
//                        |                 and in which of the actor's own
//                        | D#job           a job that it drives, or has groups of: held-rows.ts
//                        | O#owner#adopter an owner that a process of it has adopted
//              O#owner   | -               who adopted the owner's objects, epoch
//              D#0..7    | nodeId          demand shapes waiting there
//   lineage    node#epoch| sequence        segment of task specs: lineage.ts
//   locations  objectId  | S               where its node has spilled a large object
//                        | K               where it is kept, whatever becomes of its node
// No secondary index, no streams. Expiry is garbage collection only, never a lease.
import type { RowKey, TableName } from './storage.ts'

/** One table as it is created: what the CDK app and the emulators are given. */
export interface TableDefinition {
  readonly name: TableName
  readonly partitionKey: 'pk'
  readonly sortKey: 'sk'
  /** The attribute, in seconds since 1970, after which an item may be dropped. */
  readonly expiryAttribute: 'x'
  /** Decisions can be restored; facts are made again. */
  readonly pointInTimeRecovery: boolean
}

const table = (name: TableName, pointInTimeRecovery: boolean): TableDefinition => ({
  name,
  partitionKey: 'pk',
  sortKey: 'sk',
  expiryAttribute: 'x',
  pointInTimeRecovery,
})

export const TABLES: readonly TableDefinition[] = [
  table('cluster', true),
  table('lineage', false),
  table('locations', false),
]

/** The name a table has in an account: one set of tables per cluster. */
export const tableNameOf = (cluster: string, name: TableName): string => `virga-${cluster}-${name}`

/** The cluster whose decisions lie in that table; undefined: it is none of ours. */
export const clusterOfTable = (tableName: string): string | undefined =>
  /^virga-(.+)-cluster$/.exec(tableName)?.[1]

/** The bucket of a cluster that no CDK app has deployed, for what is too large for a row. */
export const bucketOf = (cluster: string): string => `virga-${cluster}`

/** Rows that would make one partition hot are spread over this many. */
const SHARDS = 8
/** The sort key of a row that stands alone in its partition. */
const ALONE = '-'

const inCluster = (pk: string, sk: string): RowKey => ({ table: 'cluster', pk, sk })

/** The partitions of a sharded kind, `N` or `D`. */
export const shardsOf = (kind: 'N' | 'D'): readonly string[] =>
  Array.from({ length: SHARDS }, (_, shard) => `${kind}#${String(shard)}`)

/** @param nodeId  hex. */
export const nodeKey = (nodeId: string): RowKey => inCluster(`N#${String(shardOf(nodeId))}`, nodeId)

export const membershipKey: RowKey = inCluster('M', 'V')

export const JOBS = 'JOBS'
export const PENDING_JOBS = 'JOBQ'
export const jobKey = (submissionId: string): RowKey => inCluster(JOBS, submissionId)
export const pendingJobKey = (submissionId: string): RowKey => inCluster(PENDING_JOBS, submissionId)

/** @param actorId  hex; the job is in its last four bytes. */
export const actorKey = (actorId: string): RowKey =>
  inCluster(jobPartition(actorId.slice(-8), actorId), `A#${actorId}`)

/** @param groupId  hex; the job is in its last four bytes. */
export const groupKey = (groupId: string): RowKey =>
  inCluster(jobPartition(groupId.slice(-8), groupId), `P#${groupId}`)

/** The partitions that hold a job's actors and placement groups. */
export const jobPartitions = (jobId: string): readonly string[] =>
  Array.from({ length: SHARDS }, (_, shard) => `J#${jobId}#${String(shard)}`)

/** Ids of one job end in the same bytes: their first ones spread them. */
const jobPartition = (jobId: string, id: string): string =>
  `J#${jobId}#${String(shardOf(id.slice(0, 2)))}`

const namePartition = (namespace: string): string => `NAME#${namespace}`
export const nameKey = (namespace: string, name: string): RowKey =>
  inCluster(namePartition(namespace), name)

interface NodeEpoch {
  readonly nodeId: string
  readonly epoch: number
}

export const heldPartition = ({ nodeId, epoch }: NodeEpoch): string =>
  `H#${nodeId}#${String(epoch)}`
export const heldKey = (holder: NodeEpoch, actorId: string): RowKey =>
  inCluster(heldPartition(holder), actorId)

/** @param jobId  hex. */
export const heldJobKey = (holder: NodeEpoch, jobId: string): RowKey =>
  inCluster(heldPartition(holder), `D#${jobId}`)
export const heldAdoptionKey = (
  holder: NodeEpoch,
  { owner, adopter }: { readonly owner: string; readonly adopter: string },
): RowKey => inCluster(heldPartition(holder), `O#${owner}#${adopter}`)

/** @param owner  WorkerId in hex. */
export const ownerKey = (owner: string): RowKey => inCluster(`O#${owner}`, ALONE)

export const demandKey = (nodeId: string): RowKey =>
  inCluster(`D#${String(shardOf(nodeId))}`, nodeId)

export const segmentPartition = (nodeId: string, epoch: number): string =>
  `${nodeId}#${String(epoch)}`

/** @param objectId  hex. */
export const locationKey = (objectId: string, isKept: boolean): RowKey => ({
  table: 'locations',
  pk: objectId,
  sk: isKept ? 'K' : 'S',
})

/**
 * What a row of `cluster` is: `N` in `N#3`, `A` and `P` in a job's partition, `HD` and `HO` for jobs
 * and adoptions that a node holds, `H` for actors and all of them; '' for no partition.
 */
export function kindOf(pk: string | undefined, sk: string | undefined): string {
  const ofPartition = pk?.split('#', 1)[0] ?? ''
  const [ofRow = '', ...rest] = sk?.split('#') ?? []
  if (ofPartition === 'J') return ofRow === '' ? ofPartition : ofRow
  return ofPartition === 'H' && rest.length > 0 ? ofPartition + ofRow : ofPartition
}

function shardOf(hex: string): number {
  return (Number.parseInt(hex.slice(-2), 16) || 0) % SHARDS
}
