// Running a command on the cluster that is meant, and letting go of it afterwards.
import type { SessionNode } from '../runtime/common/session-node.ts'
import type { RayletClient } from './raylet-client.ts'
import type { Input, World } from './world.ts'

export async function connected<T>(
  world: World,
  input: Input,
  run: (client: RayletClient, node: SessionNode) => Promise<T>,
): Promise<T> {
  const clusters = await world.clusters()
  const node = clusters.find(input.address)
  const client = await clusters.connect(node)
  try {
    return await run(client, node)
  } finally {
    client.close()
  }
}
