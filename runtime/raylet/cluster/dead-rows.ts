// What a dead node had in the GCS that nobody goes on with: what its processes had adopted, groups
// of jobs that it drove, and in the end the rows that say what it held. To be called when its
// actors live elsewhere, or have ended (actor-adopter.ts).
// Invariant:
//   DW1. A row that says what a dead node held goes after what it names: if this node dies as well,
//        others find the rest. A job goes on as one of this node's (JD2).
import type { Clock } from '../../common/clock.ts'
import { fromHex, type JobId } from '../../common/ids.ts'
import type { Holder } from '../../gcs/actors.ts'
import { removeGroupsOf } from '../../gcs/groups.ts'
import { dropHeldRow, isActorElsewhere, readHeldRows, type HeldRow } from '../../gcs/held-rows.ts'
import { disown } from '../../gcs/owners.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { DrivenJobs } from './driven-jobs.ts'

export interface DeadRowsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly jobs: Pick<DrivenJobs, 'inherit'>
}

/** May be repeated. */
export async function clearRowsOf(deps: DeadRowsDeps, gone: Holder): Promise<void> {
  for (const held of await readHeldRows(deps.storage, gone)) {
    if (await isCleared(deps, gone, held)) await dropHeldRow(deps.storage, held) // DW1
  }
}

async function isCleared(
  { storage, clock, jobs }: DeadRowsDeps,
  gone: Holder,
  held: HeldRow,
): Promise<boolean> {
  switch (held.kind) {
    case 'ACTOR':
      return await isActorElsewhere(storage, gone, held.actorId)
    case 'ADOPTION':
      await disown(storage, held.adoption)
      return true
    case 'JOB':
      await removeGroupsOf(storage, held.jobId, gone, clock.nowMs())
      await jobs.inherit(fromHex(held.jobId) as JobId)
      return true
  }
}
