// `virga stop`: ends a cluster and waits until its processes, its folder and its memory are gone.
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import type { Input, World } from './world.ts'

/** A cluster that was told to stop is killed after this. */
export const STOP_GRACE_MS = 10_000

export async function run(world: World, input: Input): Promise<number> {
  const clusters = await world.clusters()
  const node = await connected(world, input, async (client, found) => {
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
