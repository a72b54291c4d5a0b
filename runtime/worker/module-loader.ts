// Imports home modules into a worker, at first need, and finds their functions.
//   new ModuleLoader(ports, { entry?, entryFirst? })
//   find(identity)       the function, if its home is here already; checked once per identity
//   resolve(identity)    the function, importing its home if need be; or 'needsEntryFirst'
//   preload(homes)       import what is known before the first task; failures are kept, not thrown
//   explainUncaught(error)   what to say when user code above init() crashes a worker
// Invariants:
//   M1. A home is imported once, one home at a time: the order of evaluation is that of the needs.
//   M2. An import is over when it settles. One that waits in init() for ever (parked) is over when
//       it has registered what is wanted, or has had PARK_GRACE_MS for it.
//   M3. An import that throws after it registered what is wanted is no failure.
//   M4. Nothing waits for ever: after READY_MS_MAX a registered function is taken, after
//       IMPORT_MS_MAX its lack is told.
//   M5. 'needsEntryFirst' is never answered by a loader that imported the entry first.
import type { Clock } from '../common/clock.ts'
import { FunctionNotFoundError } from '../common/errors.ts'
import { findRegistered, lookup, notRegistered } from '../core-worker/functions.ts'
import type { FunctionDescriptor } from '../core-worker/functions.ts'
import type { Sources } from '../core-worker/function-sources.ts'
import { registry } from '../core-worker/registry-system.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'

/** Modules beside the parked one may still be loading (top-level await): they get this long. */
const PARK_GRACE_MS = 100
/** A home that has registered what is wanted may still load a model that the function uses. */
const READY_MS_MAX = 30_000
/** One that has not by then is told as stuck. */
const IMPORT_MS_MAX = 120_000

export interface LoaderPorts {
  /** `(url) => import(url)`, from the composition root. */
  readonly importModule: (url: string) => Promise<unknown>
  readonly clock: Clock
  readonly sources: Sources
}

export interface LoaderOptions {
  /** The driver's main module, if it is a file. */
  readonly entry?: string | undefined
  /** Import the entry before anything else: for import cycles that only the entry can start. */
  readonly entryFirst?: boolean
}

/** How an import ended, as far as it ended. */
interface HomeLoad {
  state: 'loading' | 'loaded' | 'failed' | 'parked' | 'stuck'
  error: unknown
  readonly settled: Promise<void>
}

export class ModuleLoader {
  readonly #ports: LoaderPorts
  readonly #entry: string | undefined
  readonly #entryFirst: boolean
  readonly #loads = new Map<string, HomeLoad>()
  readonly #found = new Map<string, FunctionDescriptor>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(ports: LoaderPorts, options: LoaderOptions = {}) {
    this.#ports = ports
    this.#entry = options.entry
    this.#entryFirst = options.entryFirst === true && options.entry !== undefined
  }

  /**
   * @throws FunctionNotFoundError when the home is here and has another version of the function.
   */
  find(identity: FunctionIdentity): FunctionDescriptor | undefined {
    const key = keyOf(identity)
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const load = this.#loads.get(identity.home)
    if (load === undefined || load.state === 'loading') return undefined
    if (findRegistered(identity.home, identity.ordinal) === undefined) return undefined
    const found = lookup(identity, this.#ports.sources)
    this.#found.set(key, found)
    return found
  }

  /**
   * The function, after importing its home.
   * @returns 'needsEntryFirst' when the home waits in init() before it registered the function:
   *   ask for a fresh worker whose loader has `entryFirst`.
   * @throws FunctionNotFoundError when the home cannot be imported, has no such function, or has
   *   another version of it. `cause` is what the import threw.
   */
  async resolve(identity: FunctionIdentity): Promise<FunctionDescriptor | 'needsEntryFirst'> {
    const early = this.find(identity)
    if (early !== undefined) return early
    const load = await this.#inTurn(() => this.#load(identity.home, identity.ordinal))
    const found = this.find(identity)
    if (found !== undefined) return found
    return this.#missing(identity, load)
  }

  /**
   * Import homes before the first task, the entry first when it is among them: then modules are
   * evaluated in the driver's order. What fails is told when one of its functions is needed.
   */
  async preload(homes: readonly string[]): Promise<void> {
    const entry = this.#entry
    const first = entry !== undefined && homes.includes(entry) ? [entry] : []
    for (const home of new Set([...first, ...homes])) {
      await this.#inTurn(() => this.#load(home, 0))
    }
  }

  /** M1. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run)
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #load(home: string, ordinal: number): Promise<HomeLoad> {
    const known = this.#loads.get(home)
    if (known !== undefined && known.state !== 'loading') return known
    if (this.#entryFirst && this.#entry !== undefined && !this.#loads.has(this.#entry)) {
      await this.#import(this.#entry, () => findRegistered(home, ordinal) !== undefined)
    }
    return this.#import(home, () => findRegistered(home, ordinal) !== undefined)
  }

  /** Until the import is over (M2); never throws. */
  async #import(home: string, wanted: () => boolean): Promise<HomeLoad> {
    const { clock } = this.#ports
    // In a cycle with a parked module the import never settles, though this home has run.
    const hasRun = registry().parkCount > 0 && wanted()
    const parks = hasRun ? { happened: nextTurn(clock), stop: () => undefined } : nextPark()
    const load = this.#loads.get(home) ?? this.#begin(home)
    const ready = timeout(clock, READY_MS_MAX)
    const stuck = timeout(clock, IMPORT_MS_MAX)
    const end = await Promise.race([
      load.settled.then(() => 'settled' as const),
      parks.happened.then(() => 'parked' as const),
      ready.happened.then(() =>
        wanted() ? ('stuck' as const) : stuck.happened.then(() => 'stuck' as const),
      ),
    ])
    for (const signal of [parks, ready, stuck]) signal.stop()
    if (end === 'parked' && !hasRun) await this.#grace(load, wanted)
    if (end !== 'settled' && load.state === 'loading') load.state = end
    return load
  }

  /** What evaluates beside the module that parked may still register what is wanted. */
  async #grace(load: HomeLoad, wanted: () => boolean): Promise<void> {
    const { clock } = this.#ports
    await nextTurn(clock)
    if (wanted()) return
    const registered = nextChange(wanted)
    const over = timeout(clock, PARK_GRACE_MS)
    await Promise.race([load.settled, registered.happened, over.happened])
    registered.stop()
    over.stop()
    await nextTurn(clock)
  }

  #begin(home: string): HomeLoad {
    const load: HomeLoad = {
      state: 'loading',
      error: undefined,
      settled: this.#ports.importModule(home).then(
        () => {
          load.state = 'loaded'
        },
        (error: unknown) => {
          load.state = 'failed'
          load.error = error
        },
      ),
    }
    this.#loads.set(home, load)
    return load
  }

  #missing(identity: FunctionIdentity, load: HomeLoad): 'needsEntryFirst' {
    if (load.state === 'failed') throw importFailed(identity, load.error)
    if (load.state === 'stuck') {
      throw notRegistered(identity, this.#ports.sources, {
        hint: `Its import has not ended within ${IMPORT_MS_MAX / 1000} s: it awaits something at the top level that never comes in a worker.`,
      })
    }
    if (load.state === 'parked') {
      const [first] = this.#loads.keys()
      if (this.#entry !== undefined && first !== this.#entry) return 'needsEntryFirst'
      throw notRegistered(identity, this.#ports.sources, {
        hint: 'The module, or one that it imports, calls init() before this call of remote(), and init() never resolves in a worker. Call remote() above init(), or init() in the main module only.',
      })
    }
    throw notRegistered(identity, this.#ports.sources)
  }
}

/** Something that may happen once; `stop` when nobody waits any more. */
interface Signal {
  readonly happened: Promise<void>
  readonly stop: () => void
}

/** When `holds` is true after a change of the registry. */
function nextChange(holds: () => boolean): Signal {
  const { watchers } = registry()
  let watcher = (): void => undefined
  const happened = new Promise<void>((resolve) => {
    watcher = () => {
      if (holds()) resolve()
    }
  })
  watchers.add(watcher)
  return { happened, stop: () => watchers.delete(watcher) }
}

function nextPark(): Signal {
  const { parkCount } = registry()
  return nextChange(() => registry().parkCount > parkCount)
}

function timeout(clock: Clock, delayMs: number): Signal {
  let stop = (): void => undefined
  const happened = new Promise<void>((resolve) => {
    const timer = clock.after(delayMs, resolve)
    stop = () => {
      timer.cancel()
    }
  })
  return { happened, stop }
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.immediate(resolve)
  })
}

function importFailed(identity: FunctionIdentity, error: unknown): FunctionNotFoundError {
  return new FunctionNotFoundError(
    `The worker cannot import ${identity.home}, the module of remote function '${identity.name}': ` +
      `${describeError(error)}. ${importHint(error)}`,
    { cause: error, data: { ...identity, reason: 'import failed' } },
  )
}

const SIDE_EFFECTS =
  'What stands above init() runs in every worker too: move side effects (servers, files, ' +
  'prompts) below `await init()`.'

function importHint(error: unknown): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `The driver already listens there. ${SIDE_EFFECTS}`
    case 'ERR_MODULE_NOT_FOUND':
    case 'MODULE_NOT_FOUND':
    case 'ERR_PACKAGE_PATH_NOT_EXPORTED':
      return "A worker resolves imports like plain node in the driver's folder: path aliases of a bundler or test runner do not exist there."
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return 'A worker strips types like plain node: no enums, namespaces or parameter properties, or run the driver under tsx.'
    default:
      return SIDE_EFFECTS
  }
}

/** What to add to the report of an uncaught error of user code that no task was running for. */
export function explainUncaught(error: unknown): string {
  return `${describeError(error)}. ${importHint(error)}`
}

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

function keyOf(identity: FunctionIdentity): string {
  return `${identity.hash} ${identity.ordinal} ${identity.home}`
}
