// What is left of a cluster of several nodes that it should not have any more.
//   I4, I5  at rest, with drivers connected: what a node holds, but for objects whose owners died
//           with it: who has a ref of one may adopt it as long as its job goes on (D97)
//   I5, I10 once drivers have left: that too, and rows, and what lies in the bucket
import { readActors, type ActorRow } from '../../../runtime/gcs/actors.ts'
import type { GroupRow } from '../../../runtime/gcs/groups.ts'
import { isFree } from '../../../runtime/gcs/names.ts'
import { heldPartition, jobPartitions, nameKey } from '../../../runtime/gcs/tables.ts'
import { toHex } from '../../../runtime/common/ids.ts'
import { leftAtDriver, leftAtNode } from '../invariants.ts'
import { machineOf } from '../process.ts'
import { SHARED_NAMESPACE } from '../workload.ts'
import type { SimNode } from '../world.ts'
import type { Cluster } from './cluster.ts'

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
  const actors = await actorsOf(cluster)
  const groups = await groupsOf(cluster)
  return [
    ...living(cluster).flatMap((node) => [
      ...leftAtNode(node),
      ...leftOfCluster(node),
      ...leftOfJobsAt(node),
    ]),
    ...actors.map(({ actorId, state }) => `actor ${actorId} is ${state}`),
    ...groups
      .filter((group) => isOfLivingHome(cluster, group))
      .map(({ groupId, state }) => `group ${groupId} is ${state}`),
    ...(await namesTaken(cluster)),
    ...(await heldRows(cluster)),
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

async function namesTaken(cluster: Cluster): Promise<string[]> {
  const rows = await rowsAt(cluster, (jobId) => [nameKey(jobId, '').pk], '')
  const shared = await cluster.world.storage.query('cluster', nameKey(SHARED_NAMESPACE, '').pk)
  return [...rows, ...shared].flatMap((row) =>
    isFree(row) ? [] : [`the name ${row.key.sk} is taken`],
  )
}

/** What was kept for a job whose home is dead is left (D200), and what a call wrote that was
 *  executed after it had failed. */
function leftInBucket(cluster: Cluster): string[] {
  const { bucket, world, members } = cluster
  const alive = members.filter(({ process }) => process.alive)
  const writers = new Set(alive.map(({ nodeId, epoch }) => `${nodeId}-${String(epoch)}`))
  const isLate = world.probes.hasHit('a call of the bucket is executed after it failed')
  return [...bucket.objects.keys(), ...bucket.uploads.keys()].flatMap((key) => {
    const [, of = ''] = key.split('/')
    const isKept = !of.includes('-')
    const isLeft = isKept ? !isOfLivingHome(cluster, { jobId: of }) : isLate && writers.has(of)
    return isLeft ? [] : [`${key} lies in the bucket`]
  })
}

/** Rows of groups whose driver died with its node are left (D200). */
function isOfLivingHome({ world, members }: Cluster, { jobId }: Pick<GroupRow, 'jobId'>): boolean {
  const driver = world.drivers.find(({ core }) => toHex(core.jobId) === jobId)
  const machine = driver && machineOf(driver.process)
  return members.some((member) => member.machine === machine && member.process.alive)
}

/** That a node holds an actor; those of dead nodes are left (D200), and those of late writes. */
async function heldRows({ world, members }: Cluster): Promise<string[]> {
  if (world.probes.hasHit('a storage call is executed after it failed')) return []
  const rows = await Promise.all(
    members
      .filter(({ process }) => process.alive)
      .map((member) => world.storage.query('cluster', heldPartition(member))),
  )
  return rows.flat().map(({ key }) => `${key.pk} has ${key.sk}`)
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
