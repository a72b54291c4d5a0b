// The one place on globalThis that all copies of this package in a process share: which functions
// remote() has seen, whether a module waits in init(), and who the core-worker is.
//   registry(): Registry             made at the first call
//   registryChanged(registry, home?) tell the watchers, after a function or a park was added
// Invariants:
//   RG1. Names and homes are keys of Maps, never of objects: `__proto__` is a name like any other.
//   RG2. A copy of the package with another layout is told so; it never writes into a strange one.
import { UsageError } from '../common/errors.ts'
import type { LimitSpec } from '../common/option-values.ts'
import type { FunctionDescriptor } from './function-descriptor.ts'

const KEY = Symbol.for('virga')
const LAYOUT = 2

export interface Registry {
  readonly layout: number
  /** The functions of each home, by ordinal. */
  readonly homes: Map<string, FunctionDescriptor[]>
  /** How many calls of init() wait for ever: none but in workers. */
  parkCount: number
  /** Called after every registration, with its home, and after every park, without. */
  readonly watchers: Set<(home?: string) => void>
  /** The core-worker of this process; set by init() and by the worker's main. */
  currentCoreWorker: unknown
  /** registerType() calls so far, to be applied to each value codec that is made. */
  readonly types: unknown[]
  /** What limiter() was given, by name; the last LIMITERS_MAX. */
  readonly limits: Map<string, LimitSpec>
}

/**
 * @returns the registry of this process, the same one for every copy of the package.
 * @throws UsageError when a copy with another layout made it.
 */
export function registry(): Registry {
  const shared = globalThis as unknown as Record<symbol, Registry | undefined>
  const found = shared[KEY]
  if (found === undefined) return install(shared)
  if (found.layout !== LAYOUT) {
    throw new UsageError(
      'Two versions of virga that do not understand each other are loaded in this process. ' +
        'Run `npm ls virga` and bring all packages to the same version.',
    )
  }
  return found
}

export function registryChanged(changed: Registry, home?: string): void {
  for (const watcher of changed.watchers) watcher(home)
}

function install(shared: Record<symbol, Registry | undefined>): Registry {
  const made: Registry = {
    layout: LAYOUT,
    homes: new Map(),
    parkCount: 0,
    watchers: new Set(),
    currentCoreWorker: undefined,
    types: [],
    limits: new Map(),
  }
  Object.defineProperty(shared, KEY, { value: made, enumerable: false })
  return made
}
