// Adoption of what a dead owner left: one process per owner and epoch counts its references and
// runs its lineage again; everybody else is sent to it.
// Invariants:
//   AO1. Of many who want to adopt, one wins each epoch; the others learn who.
//   AO2. An adopter that was followed by another is refused: what it decides names its epoch.
//   AO3. The row is there as long as its adopter lives. It goes with that one: who asks then finds
//        that the owner is gone, and adopts anew.
// Source: design 5 (dead owner); faults.md F06.
import { count, text } from '../common/shape.ts'
import { decideDelete, decidePut } from './decide.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, Storage } from './storage.ts'
import { ownerKey } from './tables.ts'

export interface Adoption {
  /** WorkerId of the adopter, hex. */
  readonly adopter: string
  /** Where it listens. */
  readonly address: string
  /** 1 for the first adopter; one more with each that follows. */
  readonly epoch: number
}

const ADOPTION: FieldsOf<Adoption> = { adopter: text, address: text, epoch: count }

export async function readAdoption(storage: Storage, owner: string): Promise<Adoption | undefined> {
  const row = await storage.get(ownerKey(owner))
  return row && asAdoption(row)
}

/**
 * Adopt an owner's objects, after `gone`: the owner itself (undefined) or an adopter that died too.
 * @returns who has adopted them now, which may be somebody else.
 */
export async function adopt(
  storage: Storage,
  owner: string,
  by: Omit<Adoption, 'epoch'>,
  gone: Adoption | undefined,
): Promise<Adoption> {
  const key = ownerKey(owner)
  const before = gone === undefined ? undefined : await storage.get(key)
  const adoption: Adoption = { ...by, epoch: (gone?.epoch ?? 0) + 1 }
  // AO1: somebody was quicker.
  if (before !== undefined && asAdoption(before).epoch !== gone?.epoch) {
    return asAdoption(before)
  }
  const outcome = await decidePut(storage, {
    key,
    value: { ...adoption },
    expected: before?.version ?? 'ABSENT',
    isOurs: ({ adopter, epoch }) => adopter === by.adopter && epoch === adoption.epoch,
  })
  const row = outcome.won ? outcome.row : outcome.current
  // AO3: that of the adopter before went as this was written, and nothing was.
  return row === undefined ? await adopt(storage, owner, by, gone) : asAdoption(row)
}

/** AO3. The row of another adopter is left. */
export const disown = (
  storage: Storage,
  { owner, adopter }: { readonly owner: string; readonly adopter: string },
): Promise<void> => decideDelete(storage, ownerKey(owner), { fields: { adopter } })

const asAdoption = (row: Row): Adoption => readRow(row, ADOPTION)
