// From a function's identity to something to run, loading its module at first need.
import { FunctionNotFoundError } from '../common/errors.ts'
import { asSystemFailure } from '../core-worker/failure.ts'
import { NeedsEntryFirst, type Runnable } from '../core-worker/run-task.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'
import type { ModuleLoader } from './module-loader.ts'

export class FunctionLoader {
  readonly #modules: ModuleLoader
  readonly #loaded = new Map<FunctionIdentity, Runnable>()

  constructor(modules: ModuleLoader) {
    this.#modules = modules
  }

  /** @throws FunctionNotFoundError: the module has no such function, or another version of it. */
  load(identity: FunctionIdentity): Runnable | Promise<Runnable> {
    const known = this.#loaded.get(identity)
    if (known !== undefined) return known
    try {
      const found = this.#modules.find(identity)
      if (found === undefined) return this.#resolve(identity)
      return this.#keep(identity, found.fn as unknown as Runnable)
    } catch (error) {
      throw asTold(error)
    }
  }

  async #resolve(identity: FunctionIdentity): Promise<Runnable> {
    try {
      const found = await this.#modules.resolve(identity)
      if (found === 'needsEntryFirst') throw new NeedsEntryFirst()
      return this.#keep(identity, found.fn as unknown as Runnable)
    } catch (error) {
      throw asTold(error)
    }
  }

  #keep(identity: FunctionIdentity, fn: Runnable): Runnable {
    this.#loaded.set(identity, fn)
    return fn
  }
}

/** No failure of the user's function: thrown at get as it is. */
function asTold(error: unknown): unknown {
  return error instanceof FunctionNotFoundError ? asSystemFailure(error) : error
}
