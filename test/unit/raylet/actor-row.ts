// The row of a detached actor, whichever node holds it.
import { toHex, type JobId } from '../../../runtime/common/ids.ts'
import { actorDead, registerActor } from '../../../runtime/gcs/actors.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'

const actorIdOf = (jobId: JobId): string => 'ab'.repeat(8) + toHex(jobId)

export async function detachedActorOf(storage: Storage, jobId: JobId): Promise<void> {
  const actor = { actorId: actorIdOf(jobId), owner: '0a', name: null, detached: true }
  const held = { maxRestarts: -1, nodeId: 'd0', epoch: 1, spec: new Uint8Array(1) }
  await registerActor(storage, { ...actor, ...held }, 0)
}

export async function endActorOf(storage: Storage, jobId: JobId): Promise<void> {
  await actorDead(storage, { actorId: actorIdOf(jobId), incarnation: 0 }, 'it was killed', 0)
}
