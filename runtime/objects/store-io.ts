// The I/O of a node's object store: does what the effects of store-state.ts ask for, and tells its
// end as an event. Bytes move between arena and spill place in pieces, so that what nobody waits
// for any more stops at the next one.
import { within, type Clock } from '../common/clock.ts'
import { StoppedError, VirgaError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Arena } from './arena-access.ts'
import type { SpillPlace } from './spill.ts'
import type { StoreEffect, StoreEvent } from './store-entry.ts'

export type IoEffect = Extract<
  StoreEffect,
  {
    readonly type:
      | 'grow'
      | 'spill'
      | 'restore'
      | 'openDirect'
      | 'sealDirect'
      | 'removeRange'
      | 'abortDirect'
  }
>
type EffectOf<T extends IoEffect['type']> = Extract<IoEffect, { readonly type: T }>

/** For all that ends with the store. Who stops a node kills it after 10 s. */
const CLOSE_LIMIT_MS = 3_000

export interface StoreIoDeps {
  readonly clock: Clock
  readonly arena: Arena
  /** Undefined: objects cannot be spilled. */
  readonly spill: SpillPlace | undefined
  readonly log: Log
}

export class StoreIo {
  readonly #deps: StoreIoDeps
  /** Whether anybody still wants what a batch writes. */
  readonly #isWanted: (batch: number) => boolean
  readonly #running = new Set<Promise<void>>()
  #isClosed = false

  constructor(deps: StoreIoDeps, isWanted: (batch: number) => boolean) {
    this.#deps = deps
    this.#isWanted = isWanted
  }

  /** Begins it. @param ended  hears of its end, never within this call. */
  start(effect: IoEffect, ended: (event: StoreEvent) => void): void {
    const running = this.#run(effect).then((event) => {
      this.#running.delete(running)
      if (event !== undefined) ended(event)
    })
    this.#running.add(running)
  }

  /** Where objects that have places outside the arena lie: without one none has. */
  spill(): SpillPlace {
    const { spill } = this.#deps
    if (spill === undefined) throw new TypeError('a place outside the arena without a spill place')
    return spill
  }

  /** Ends what is under way, and all that was spilled; then gives the arena back. */
  async close(): Promise<void> {
    this.#isClosed = true
    const { clock, log, arena } = this.#deps
    const ended = Promise.all(this.#running).then(() => this.#closeSpill())
    if (!(await within(clock, CLOSE_LIMIT_MS, ended))) {
      const seconds = String(CLOSE_LIMIT_MS / 1000)
      log.warn(
        `spilled objects were left behind: their place did not answer within ${seconds} s. Whoever ` +
          'cleans up there may delete what begins with this cluster and node',
      )
    }
    await arena.close()
  }

  /** A place that is away keeps what it has; this node ends all the same. */
  async #closeSpill(): Promise<void> {
    try {
      await this.#deps.spill?.close()
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      this.#deps.log.warn(`spilled objects were left behind: ${error.message}`, error.data)
    }
  }

  async #run(effect: IoEffect): Promise<StoreEvent | undefined> {
    try {
      return await this.#perform(effect)
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error // a bug: the process ends
      if (!(error instanceof StoppedError)) {
        this.#deps.log.warn(error.message, { code: error.code, effect: effect.type, ...error.data })
      }
      return failureOf(effect, error)
    }
  }

  async #perform(effect: IoEffect): Promise<StoreEvent | undefined> {
    switch (effect.type) {
      case 'grow':
        return { type: 'grown', sizeBytes: await this.#grow(effect) }
      case 'spill':
        return this.#write(effect)
      case 'restore':
        return this.#restore(effect)
      case 'openDirect': {
        const path = await this.spill().openDirect(effect.sizeBytes)
        return { type: 'directOpened', key: effect.key, path }
      }
      case 'sealDirect': {
        const { key, path, sizeBytes } = effect
        const range = await this.spill().sealDirect(path, sizeBytes, () => {
          this.#goOn()
        })
        return { type: 'directSealed', key, range }
      }
      case 'removeRange':
        await this.spill().remove(effect.range)
        return undefined
      default:
        await this.spill().abortDirect(effect.path)
        return undefined
    }
  }

  async #write({ batch, items }: EffectOf<'spill'>): Promise<StoreEvent> {
    const sources = items.map(({ offset, sizeBytes }) => ({
      sizeBytes,
      read: (at: number, count: number) => {
        this.#goOn(batch)
        return this.#deps.arena.read(offset + at, count)
      },
    }))
    return { type: 'spilled', batch, ranges: await this.spill().write(sources) }
  }

  async #restore({ key, range, offset }: EffectOf<'restore'>): Promise<StoreEvent> {
    await this.spill().read(range, (at, bytes) => {
      this.#goOn()
      return this.#deps.arena.write(offset + at, bytes)
    })
    return { type: 'restored', key }
  }

  /** Grows as wanted, or as little as needed when there is no room for more. */
  async #grow({ needBytes, wantBytes }: EffectOf<'grow'>): Promise<number> {
    const { arena } = this.#deps
    try {
      await arena.grow(wantBytes)
    } catch (error) {
      if (!(error instanceof VirgaError) || wantBytes === needBytes) throw error
      await arena.grow(needBytes)
      return needBytes
    }
    return wantBytes
  }

  /** @throws StoppedError when the rest would be for nobody. */
  #goOn(batch?: number): void {
    if (this.#isClosed) throw new StoppedError('The object store of this node is closed.')
    if (batch === undefined || this.#isWanted(batch)) return
    throw new StoppedError('The objects that were to be spilled have all been freed.')
  }
}

/** The event that tells of a failed I/O; a file that could not be deleted is only logged. */
function failureOf(effect: IoEffect, error: VirgaError): StoreEvent | undefined {
  switch (effect.type) {
    case 'grow':
      return { type: 'growFailed' }
    case 'spill':
      return { type: 'spillFailed', batch: effect.batch, error }
    case 'restore':
      return { type: 'restoreFailed', key: effect.key, error }
    case 'openDirect':
    case 'sealDirect':
      return { type: 'directFailed', key: effect.key, error }
    default:
      return undefined
  }
}
