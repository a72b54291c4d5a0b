// What a node has in the GCS beside its own row, listed in one partition for each epoch of its
// life, so that whoever clears up after it finds all of it with one query: its actors (actors.ts),
// the jobs that it drives, the owners that its processes have adopted.
// Invariants:
//   HR1. The row here is written before what it names, and deleted after that: what a dead node
//        has left is named by a row. Rows here are facts, and one too many does no harm.
import { readActor, isHeldBy, type Holder } from './actors.ts'
import { queryAll } from './query-all.ts'
import type { Row, Storage } from './storage.ts'
import { heldAdoptionKey, heldJobKey, heldPartition } from './tables.ts'

/** An adoption, by the one process that decided it. */
export interface HeldAdoption {
  readonly owner: string
  readonly adopter: string
}

/** @param about  of its driver, for people. */
export const holdsJob = (
  storage: Storage,
  holder: Holder,
  jobId: string,
  about: object = {},
): Promise<void> => storage.append([{ key: heldJobKey(holder, jobId), value: { ...about, jobId } }])

export async function holdsJobNoMore(
  storage: Storage,
  holder: Holder,
  jobId: string,
): Promise<void> {
  await storage.delete(heldJobKey(holder, jobId), { fields: { jobId } })
}

export const holdsAdoption = (
  storage: Storage,
  holder: Holder,
  { owner, adopter }: HeldAdoption,
): Promise<void> =>
  storage.append([{ key: heldAdoptionKey(holder, { owner, adopter }), value: { owner, adopter } }])

export async function holdsAdoptionNoMore(
  storage: Storage,
  holder: Holder,
  { owner, adopter }: HeldAdoption,
): Promise<void> {
  const key = heldAdoptionKey(holder, { owner, adopter })
  await storage.delete(key, { fields: { owner, adopter } })
}

export type HeldRow =
  | { readonly kind: 'ACTOR'; readonly row: Row; readonly actorId: string }
  | { readonly kind: 'JOB'; readonly row: Row; readonly jobId: string }
  | { readonly kind: 'ADOPTION'; readonly row: Row; readonly adoption: HeldAdoption }

/** All that a node has listed. */
export async function readHeldRows(storage: Storage, holder: Holder): Promise<readonly HeldRow[]> {
  const rows = await queryAll(storage, [heldPartition(holder)])
  return rows.map(asHeld)
}

function asHeld(row: Row): HeldRow {
  const { actorId, jobId, owner, adopter } = row.value
  if (typeof jobId === 'string') return { kind: 'JOB', row, jobId }
  if (typeof owner === 'string') {
    return { kind: 'ADOPTION', row, adoption: { owner, adopter: String(adopter) } }
  }
  return { kind: 'ACTOR', row, actorId: String(actorId) }
}

/** Whether what that row names needs it no more, as it is of an actor that another has, or none. */
export async function isActorElsewhere(
  storage: Storage,
  holder: Holder,
  actorId: string,
): Promise<boolean> {
  const actor = await readActor(storage, actorId)
  return actor === undefined || !isHeldBy(actor, holder)
}

/** Unless it has been written anew. */
export async function dropHeldRow(storage: Storage, { row }: HeldRow): Promise<void> {
  await storage.delete(row.key, row.version)
}
