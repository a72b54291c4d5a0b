// What is left of a cluster of several nodes that it should not have any more.
//   I4, I5  at rest, with drivers connected: what a node holds, but for objects whose owners died
//           with it: who has a ref of one may adopt it as long as its job goes on (D97)
//   I5, I10 once drivers have left: that too, and rows that would stay for good, and what lies in
//           the bucket
import { readActors, type ActorRow } from '../../../runtime/gcs/actors.ts'
import type { GroupRow } from '../../../runtime/gcs/groups.ts'
import type { Row } from '../../../runtime/gcs/storage.ts'
import { jobPartitions, kindOf } from '../../../runtime/gcs/tables.ts'
import { toHex } from '../../../runtime/common/ids.ts'
import { leftAtDriver, leftAtNode } from '../invariants.ts'
import { textOf } from '../tables.ts'
import type { SimNode } from '../world.ts'
import type { Cluster } from './cluster.ts'
import { lifeOf } from './member.ts'

export function leftAtRest(cluster: Cluster): string[] {
  const { world } = cluster
  const owners = livingOwners(cluster)
  const drivers = world.drivers.filter(({ process }) => process.alive)
  return [
    ...living(cluster).flatMap((node) => {
      const isOrphan = (objectId: string): boolean => {
        const held = node.store?.holding(objectId)
        return held !== undefined && !(held.isPrimary && owners.has(held.owner))
      }
      return [...leftAtNode(node, isOrphan), ...leftOfCluster(node)]
    }),
    ...drivers.flatMap(leftAtDriver),
  ]
}

/** Drivers have left. */
export async function leftOfJobs(cluster: Cluster): Promise<string[]> {
  return [
    ...living(cluster).flatMap((node) => [
      ...leftAtNode(node),
      ...leftOfCluster(node),
      ...leftOfJobsAt(node),
    ]),
    ...(await leftInTables(cluster)),
    ...leftInBucket(cluster),
  ]
}

/** Those that are not dead. */
export async function actorsOf({ world }: Cluster): Promise<readonly ActorRow[]> {
  const rows = await Promise.all(
    world.drivers.map(({ core }) => readActors(world.storage, toHex(core.jobId))),
  )
  return rows.flat().filter(({ state }) => state !== 'DEAD')
}

/** Those that are not removed. */
export async function groupsOf(cluster: Cluster): Promise<readonly GroupRow[]> {
  const rows = await rowsAt(cluster, (jobId) => jobPartitions(jobId), 'P#')
  return rows.flatMap(({ value }) =>
    value['removed'] === true ? [] : [value as unknown as GroupRow],
  )
}

const living = ({ world }: Cluster): readonly SimNode[] =>
  world.nodes.filter(({ process }) => process.alive)

function livingOwners({ world }: Cluster): ReadonlySet<string> {
  const cores = [...world.drivers, ...world.workers()].flatMap(({ process, core }) =>
    process.alive && core !== undefined ? [core] : [],
  )
  return new Set(cores.map(({ options }) => options.workerId))
}

/** What only nodes of several have. */
function leftOfCluster({ name, raylet: { state } }: SimNode): string[] {
  const { cluster, remoteLeases } = state
  const counts = {
    'leases on other nodes': remoteLeases.size,
    'groups with bundles': cluster?.groups.holds.groups.size ?? 0,
  }
  return Object.entries(counts).flatMap(([what, count]) =>
    count > 0 ? [`${name}: ${String(count)} ${what}`] : [],
  )
}

function leftOfJobsAt({ name, raylet: { state } }: SimNode): string[] {
  const counts = {
    jobs: state.jobs.size,
    workers: state.workers.size,
    pools: state.pools.size,
    clients: state.clients.size,
  }
  return Object.entries(counts).flatMap(([what, count]) =>
    count > 0 ? [`${name}: ${String(count)} ${what}`] : [],
  )
}

/** Rows that no time drops, but for those of nodes themselves, and of lives that nobody who lives
 *  has seen: to them they are of an earlier life of the cluster (AH2). */
async function leftInTables({ world, members }: Cluster): Promise<string[]> {
  const met = new Set(
    members.flatMap(({ process, fence }) => (process.alive ? [...fence.met] : [])),
  )
  const unmet = new Set(members.map(lifeOf).filter((life) => !met.has(life)))
  const rows = await world.storage.staying()
  const left = rows.filter((row) => !OF_NODES.has(kindOf(row.key.pk, row.key.sk)))
  return left.filter((row) => !unmet.has(holderIn(row))).map(textOf)
}

const OF_NODES = new Set(['N', 'M'])

/** The life of a node that a row of what it holds is of, or that the row names. */
function holderIn({ key: { pk }, value: { nodeId, epoch, address } }: Row): string {
  if (pk.startsWith('H#')) return pk.slice('H#'.length)
  if (typeof nodeId === 'string') return lifeOf({ nodeId, epoch: Number(epoch) })
  const [, ofNode = '', its = ''] = String(address).split(/[/@]/)
  return lifeOf({ nodeId: ofNode, epoch: Number(its) })
}

/** But for what a call wrote that was executed after it had failed. */
function leftInBucket({ bucket, late }: Cluster): string[] {
  return [...bucket.objects.keys(), ...bucket.uploads.keys()].flatMap((key) =>
    late.keys.has(key) ? [] : [`${key} lies in the bucket`],
  )
}

type Rows = Awaited<ReturnType<Cluster['world']['storage']['query']>>

/** Rows of all jobs. */
async function rowsAt(
  { world }: Cluster,
  partitionsOf: (jobId: string) => readonly string[],
  prefix: string,
): Promise<Rows> {
  const partitions = world.drivers.flatMap(({ core }) => partitionsOf(toHex(core.jobId)))
  const found = await Promise.all(
    partitions.map((pk) => world.storage.query('cluster', pk, { prefix })),
  )
  return found.flat()
}
