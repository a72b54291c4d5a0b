// Owners that processes of this node have adopted, as the GCS has them: each has a row in what this
// node holds, and both go with the process.
// Invariants:
//   AU1. The row that names an adopter goes when that has ended, which its raylet sees; of a dead
//        node its heirs do it (dead-rows.ts).
//   AU2. Who lost, and adopts the same owner later, does so after its rows of before are gone: what
//        still waits to delete them, past an outage, would else delete those that it has won.
import type { Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'
import type { Holder } from '../../gcs/actors.ts'
import { holdsAdoption, holdsAdoptionNoMore } from '../../gcs/held-rows.ts'
import { adopt, disown, type Adoption } from '../../gcs/owners.ts'
import type { Storage } from '../../gcs/storage.ts'
import { GcsRepeat } from '../gcs-repeat.ts'

export interface AdoptionRowsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly self: Holder
  /** Whether a process of this node, in hex, is connected. */
  readonly isHere: (adopter: string) => boolean
}

export class AdoptionRows {
  readonly #deps: AdoptionRowsDeps
  readonly #repeat: GcsRepeat
  /** By process, those that it has adopted or tries to. */
  readonly #owners = new Map<string, Set<string>>()

  constructor(deps: AdoptionRowsDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
  }

  /** As adopt() of gcs/owners.ts. May be repeated. */
  async adopt(
    owner: string,
    by: Omit<Adoption, 'epoch'>,
    gone: Adoption | undefined,
  ): Promise<Adoption> {
    const { storage, self, isHere } = this.#deps
    const { adopter } = by
    const owners = this.#owners.get(adopter) ?? new Set()
    this.#owners.set(adopter, owners.add(owner))
    try {
      await this.#repeat.done(`${owner} ${adopter}`) // AU2
      await holdsAdoption(storage, self, { owner, adopter })
      const row = await adopt(storage, owner, by, gone)
      if (row.adopter !== adopter) this.#release(adopter, owner)
      return row
    } finally {
      if (!isHere(adopter)) this.clientLeft(adopter)
    }
  }

  /** AU1. */
  clientLeft(adopter: string): void {
    for (const owner of this.#owners.get(adopter) ?? []) this.#release(adopter, owner)
  }

  stop(): void {
    this.#repeat.close()
  }

  #release(adopter: string, owner: string): void {
    const { storage, self } = this.#deps
    const owners = this.#owners.get(adopter)
    owners?.delete(owner)
    if (owners?.size === 0) this.#owners.delete(adopter)
    this.#repeat.inOrder(`${owner} ${adopter}`, async () => {
      await disown(storage, { owner, adopter })
      await holdsAdoptionNoMore(storage, self, { owner, adopter })
    })
  }
}
