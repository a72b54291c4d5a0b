// Stories of the store, told event by event: every line is an event, and gives the effects.
import { check } from '../../../runtime/objects/store-check.ts'
import type {
  StoreEffect,
  StoreEvent,
  StoreOptions,
  StoreState,
} from '../../../runtime/objects/store-entry.ts'
import { createStoreState, nextTimerAtMs, step } from '../../../runtime/objects/store-state.ts'

export const MIB = 1024 * 1024
export const OPTIONS: StoreOptions = {
  capacityBytes: 10 * MIB,
  spillThreshold: 0.8,
  fullTimeoutMs: 30_000,
  canSpill: true,
  hasFiles: true,
}

/** A story: every line is an event, and gives the effects as words. */
export class Story {
  readonly state: StoreState
  nowMs = 0
  #requestId = 0

  /** Of what is created from now on. */
  owner = 'owner'

  constructor(options: Partial<StoreOptions> = {}, committedBytes = 10 * MIB) {
    this.state = createStoreState({ ...OPTIONS, ...options }, committedBytes)
  }

  tell(event: StoreEvent): StoreEffect[] {
    const effects = step(this.state, event, this.nowMs)
    check(this.state)
    return effects
  }

  create(id: string, sizeBytes = MIB, clientId = 'maker', isPrimary = true): StoreEffect[] {
    const requestId = ++this.#requestId
    const owner = this.owner
    return this.tell({ type: 'create', requestId, clientId, id, sizeBytes, isPrimary, owner })
  }

  seal(id: string): StoreEffect[] {
    return this.tell({ type: 'seal', requestId: ++this.#requestId, id })
  }

  /** Creates and seals. */
  put(id: string, sizeBytes = MIB, clientId = 'maker', isPrimary = true): StoreEffect[] {
    return [...this.create(id, sizeBytes, clientId, isPrimary), ...this.seal(id)]
  }

  pin(id: string, clientId = 'reader'): StoreEffect[] {
    return this.tell({ type: 'pin', requestId: ++this.#requestId, clientId, id })
  }

  unpin(id: string, clientId = 'reader', count = 1): StoreEffect[] {
    return this.tell({ type: 'unpin', clientId, id, count })
  }

  free(...ids: string[]): StoreEffect[] {
    return this.tell({ type: 'free', ids })
  }

  exit(clientId: string): StoreEffect[] {
    return this.tell({ type: 'clientExited', clientId })
  }

  /** The write that `effects` asked for ends well. */
  spilled(effects: readonly StoreEffect[]): StoreEffect[] {
    return effects.filter(isSpill).flatMap(({ batch, items }) => {
      const ranges = items.map(({ offset, sizeBytes }) => ({
        path: `batch ${batch}`,
        offset,
        sizeBytes,
        checksum: 0,
      }))
      return this.tell({ type: 'spilled', batch, ranges })
    })
  }

  /** Time passes until the next timer, which fires. */
  timer(): StoreEffect[] {
    this.nowMs = nextTimerAtMs(this.state) ?? this.nowMs
    return this.tell({ type: 'timer' })
  }
}

type SpillEffect = Extract<StoreEffect, { readonly type: 'spill' }>
export const isSpill = (effect: StoreEffect): effect is SpillEffect => effect.type === 'spill'
export const typesOf = (effects: readonly StoreEffect[]): string[] =>
  effects.map(({ type }) => type)
export const errorOf = (effects: readonly StoreEffect[]): unknown =>
  effects.flatMap((effect) => (effect.type === 'refused' ? [effect.error] : []))[0]
