// Rows of placement groups in the GCS, as the brain has them written and read.
// Invariants:
//   GX1. What is written of one group comes in the order of the brain's effects.
//   GX2. An outage of the GCS, of any length, delays what is written and read; it loses nothing.
//   GX3. A group is claimed only from a node that its row in the GCS says to be dead.
import { delay, type Clock } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import { isOutage } from '../../gcs/attempts.ts'
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
import type { GroupEffect } from '../turn.ts'

/** The storage has repeated it for a while by itself before. */
const REPEAT_MS = 500

export type GroupRowEffect = Exclude<GroupEffect, { kind: 'askGroup' }>

export interface GroupRowsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly self: Coordinator
}

export class GroupRows {
  readonly #deps: GroupRowsDeps
  readonly #tell: (stimulus: Stimulus) => void
  /** By group, the last of what is written and read of it; gone when that is done. */
  readonly #last = new Map<string, Promise<void>>()
  #closed = false

  /** @param tell  takes what came of an effect back to the brain. */
  constructor(deps: GroupRowsDeps, tell: (stimulus: Stimulus) => void) {
    this.#deps = deps
    this.#tell = tell
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#closed = true
  }

  perform(effect: GroupRowEffect): void {
    const groupId = 'row' in effect ? effect.row.groupId : effect.groupId
    const before = this.#last.get(groupId) ?? Promise.resolve()
    const done = before.then(() => this.#untilDone(groupId, () => this.#run(effect)))
    const last = done.then(() => {
      if (this.#last.get(groupId) === last) this.#last.delete(groupId)
    })
    this.#last.set(groupId, last)
  }

  async #run(effect: GroupRowEffect): Promise<void> {
    const { storage, self } = this.#deps
    switch (effect.kind) {
      case 'registerGroup':
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
        await removeGroup(storage, { groupId: effect.groupId, ...effect.coordinator })
    }
  }

  /** GX3. */
  async #claim(row: GroupRow): Promise<GroupRow | undefined> {
    const { storage, self } = this.#deps
    return (await isGone(storage, row)) ? await claimGroup(storage, row, self) : undefined
  }

  /** GX2. All that is written here may be written again. */
  async #untilDone(groupId: string, run: () => Promise<void>): Promise<void> {
    const { log, clock } = this.#deps
    for (let repeats = 0; !this.#closed; repeats += 1) {
      try {
        await run()
        return
      } catch (error) {
        if (!(error instanceof VirgaError)) throw error // a bug: the process ends
        const fields = { groupId, error: String(error) }
        if (!isOutage(error)) {
          log.error('the GCS refuses what is written or asked of a placement group', fields)
          this.#tell({ kind: 'groupRead', groupId, row: undefined, error })
          return
        }
        if (repeats === 0) log.warn('the GCS is away: what it decides of groups waits', fields)
      }
      await delay(clock, REPEAT_MS)
    }
  }
}
