// `virga stop`: ends a cluster and waits until its processes, its folder and its memory are gone.
import type { SessionNode } from '../runtime/common/session-node.ts'
import { connected } from './connected.ts'
import { ClusterNotReachableError, EXIT } from './exit-codes.ts'
import type { Input, World } from './world.ts'

/** A cluster that was told to stop is killed after this. */
export const STOP_GRACE_MS = 10_000

export async function run(world: World, input: Input): Promise<number> {
  const clusters = await world.clusters()
  const node = await connected(world, input, async (client, found) => {
    if (input.address === undefined && found.port === undefined) throw refusal(found)
    await client.stop()
    return found
  })
  const clean = await clusters.ended(node, STOP_GRACE_MS)
  if (input.json) world.screen.print(JSON.stringify({ stopped: true, pid: node.pid, clean }))
  else if (clean) world.screen.print(`The cluster has ended (pid ${node.pid}).`)
  else {
    world.screen.print(
      `The raylet (pid ${node.pid}) did not end within ${STOP_GRACE_MS / 1000} s and was killed; ` +
        'its folder was removed.',
    )
  }
  return clean ? EXIT.DONE : EXIT.FAILED
}

/** The other commands look at the cluster of a program where no other runs; ending it is not meant. */
function refusal({ address }: SessionNode): ClusterNotReachableError {
  return new ClusterNotReachableError(
    'no cluster of virga start runs. A program has one of its own, which ends with it; to end it ' +
      `under that program: virga stop --address unix:${address}`,
  )
}
