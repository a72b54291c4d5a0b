// `virga stop`: ends a cluster and waits until its processes, its folder and its memory are gone.
import type { SessionNode } from '../runtime/common/session-node.ts'
import { connected } from './connected.ts'
import { ClusterNotReachableError, EXIT } from './exit-codes.ts'
import type { Clusters, Input, World } from './world.ts'

/** A cluster that was told to stop is killed after this. */
const STOP_GRACE_MS = 10_000

export async function run(world: World, input: Input): Promise<number> {
  const { screen } = world
  const clusters = await world.clusters()
  const { node, nodes } = await connected(world, input, async (client, found) => {
    if (input.address === undefined && isOfProgram(found)) throw refusal(found)
    const members = clusters.nodesOf(found)
    await client.stop()
    // By its socket one is found whose folder is none of this user's folder of sessions.
    return { node: found, nodes: members.length === 0 ? [found] : members }
  })
  const clean = await allEnded(clusters, nodes)
  const pids = nodes.map(({ pid }) => pid).join(', ')
  if (input.json) screen.print(JSON.stringify({ stopped: true, pid: node.pid, clean }))
  else if (clean) screen.print(`The cluster has ended (pid ${pids}).`)
  else {
    screen.print(
      `Not all of it (pid ${pids}) ended within ${STOP_GRACE_MS / 1000} s: what was left was ` +
        'killed, and its folder removed.',
    )
  }
  return clean ? EXIT.DONE : EXIT.FAILED
}

/** Waits until all of them have gone. @returns false when some had to be killed. */
export async function allEnded(
  clusters: Clusters,
  nodes: readonly SessionNode[],
): Promise<boolean> {
  const ends = await Promise.all(nodes.map((node) => clusters.ended(node, STOP_GRACE_MS)))
  return ends.every((clean) => clean)
}

/** The cluster of `virga start` has a port, or, where its first node is gone, at least a name. */
const isOfProgram = ({ port, cluster }: SessionNode): boolean =>
  port === undefined && cluster === undefined

/** The other commands look at the cluster of a program where no other runs; ending it is not meant. */
function refusal({ address }: SessionNode): ClusterNotReachableError {
  return new ClusterNotReachableError(
    'no cluster of virga start runs. A program has one of its own, which ends with it; to end it ' +
      `under that program: virga stop --address unix:${address}`,
  )
}
