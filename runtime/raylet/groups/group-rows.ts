// Rows of placement groups in the GCS, as the brain has them written and read.
// Invariants:
//   GX1. What is written of one group comes in the order of the brain's effects.
//   GX2. An outage of the GCS, of any length, delays what is written and read; it loses nothing.
//   GX3. A group is claimed only from a node that its row in the GCS says to be dead.
//   GX4. Its job is in what this node holds before a group has a row (JD1).
import type { Clock } from '../../common/clock.ts'
import type { VirgaError } from '../../common/errors.ts'
import { fromHex, type JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import {
  claimGroup,
  decideGroup,
  readGroup,
  registerGroup,
  removeGroup,
  type Coordinator,
  type GroupRow,
} from '../../gcs/groups.ts'
import { isGone } from '../../gcs/nodes.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { Stimulus } from '../client-link.ts'
import { GcsRepeat } from '../gcs-repeat.ts'
import type { GroupEffect } from './group-events.ts'

export type GroupRowEffect = Exclude<GroupEffect, { kind: 'askGroup' }>

export interface GroupRowsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly self: Coordinator
  /** GX4. Resolves when it is. */
  readonly holdsJob: (jobId: JobId) => Promise<void>
}

export class GroupRows {
  readonly #deps: GroupRowsDeps
  readonly #repeat: GcsRepeat
  readonly #tell: (stimulus: Stimulus) => void

  /** @param tell  takes what came of an effect back to the brain. */
  constructor(deps: GroupRowsDeps, tell: (stimulus: Stimulus) => void) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
    this.#tell = tell
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#repeat.close()
  }

  /** GX1. */
  perform(effect: GroupRowEffect): void {
    const groupId = 'row' in effect ? effect.row.groupId : effect.groupId
    const run = (): Promise<void> => this.#run(effect)
    const refused = (error: VirgaError): void => {
      this.#tell({ kind: 'groupRead', groupId, row: undefined, error })
    }
    this.#repeat.inOrder(groupId, run, refused, { groupId })
  }

  async #run(effect: GroupRowEffect): Promise<void> {
    const { storage, clock, self } = this.#deps
    switch (effect.kind) {
      case 'registerGroup':
        await this.#deps.holdsJob(fromHex(effect.row.jobId) as JobId)
        await registerGroup(storage, effect.row)
        return
      case 'writeGroup': {
        const { groupId, decision } = effect
        const won = await decideGroup(storage, { groupId, ...self }, decision)
        this.#tell({ kind: 'groupWritten', groupId, attempt: decision.attempt, won })
        return
      }
      case 'readGroup': {
        const { groupId } = effect
        this.#tell({ kind: 'groupRead', groupId, row: await readGroup(storage, groupId) })
        return
      }
      case 'claimGroup': {
        const { row } = effect
        this.#tell({ kind: 'groupClaimed', groupId: row.groupId, row: await this.#claim(row) })
        return
      }
      case 'removeGroupRow':
        await removeGroup(
          storage,
          { groupId: effect.groupId, ...effect.coordinator },
          clock.nowMs(),
        )
    }
  }

  /** GX3. */
  async #claim(row: GroupRow): Promise<GroupRow | undefined> {
    const { storage, self } = this.#deps
    return (await isGone(storage, row)) ? await claimGroup(storage, row, self) : undefined
  }
}
