// The registry of remote functions and classes: what remote() makes, what a worker looks up.
//   registerFunction(fn, kind, origin) -> FunctionDescriptor    at remote(); origin: frames to skip
//   identify(descriptor, sources) -> FunctionIdentity           at the first submit
//   lookup(identity, sources) -> FunctionDescriptor             in a worker that loaded its home
//   captureHomes(sources) -> stop       when the SDK or a worker's main loads: notice later edits
//   park() -> Promise<never>                                    what init() returns in a worker
//   registeredHomes() -> string[]                               homes known so far, in order
// Invariants:
//   F1. A function is (home, ordinal): the n-th call of remote() by its home. The order of calls at
//       a module's top level is the same in every process, names and positions need not be.
//   F2. The hash covers the bytes of the home's file, own name and arity; never toString(), which
//       differs by loader. A worker that finds another hash refuses: FunctionNotFoundError.
//   F3. A descriptor never changes. options() makes no new one, so ordinals stay what they are.
// Source: Ray python/ray/_private/function_manager.py (function id = hash of what is shipped).
import { FunctionNotFoundError, UsageError } from '../common/errors.ts'
import { refusalOfRemote } from '../common/remote-target.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'
import { PROTOCOL_VERSION } from '../protocol/messages.ts'
import type { FunctionDescriptor, RemoteTarget } from './function-descriptor.ts'
import { findHome, homePath, normalizeHome } from './function-home.ts'
import { arityOf, isClass, kindOf, methodsOf } from './function-kind.ts'
import type { Sources } from './function-sources.ts'
import { registry, registryChanged } from './registry-system.ts'

export type { FunctionDescriptor, RemoteClassTarget, RemoteTarget } from './function-descriptor.ts'

/** A home with more is calling remote() in a loop or per request, which leaks one entry a call. */
export const FUNCTIONS_PER_HOME_MAX = 10_000
/** Of a module's functions, in the error for one that it does not have. */
const NAMES_SHOWN_MAX = 10

/**
 * Give a function its identity. Once per call of remote(), at a module's top level.
 * @param fn      a function for 'task', a class for 'actor'.
 * @param origin  how many frames of Virga lie between this call and the user's (1 when remote()
 *                itself calls), or the import.meta.url of a module of Virga that has own actors.
 * @throws UsageError for what is no function (no class), code without a file, Virga in a bundle.
 */
export function registerFunction(
  fn: unknown,
  kind: 'task' | 'actor',
  origin: number | string,
): FunctionDescriptor {
  checkTarget(fn, kind)
  const site = typeof origin === 'number' ? findHome(origin + 1) : ownSite(origin)
  if (typeof origin === 'number') checkBundled(site.home)
  const shared = registry()
  const functions = shared.homes.get(site.home) ?? []
  checkCount(functions.length, site.home)
  const descriptor = describe(fn as RemoteTarget, kind, { ...site, ordinal: functions.length })
  functions.push(descriptor)
  shared.homes.set(site.home, functions)
  registryChanged(shared, site.home)
  return descriptor
}

/** The identity of a function as it travels. Reads its home's file, for an arrow's name. */
export function identify(descriptor: FunctionDescriptor, sources: Sources): FunctionIdentity {
  const { home, ordinal } = descriptor
  return { home, ordinal, hash: hashOf(descriptor, sources), name: shownName(descriptor, sources) }
}

/** The function if its home has registered it, checked against the hash or not. */
export function findRegistered(home: string, ordinal: number): FunctionDescriptor | undefined {
  return registry().homes.get(home)?.[ordinal]
}

/**
 * The function that an identity means, once its home is loaded here.
 * @throws FunctionNotFoundError when the home has no such function or another version of it;
 *   `data` has both sides.
 */
export function lookup(identity: FunctionIdentity, sources: Sources): FunctionDescriptor {
  const found = findRegistered(identity.home, identity.ordinal)
  if (found === undefined) throw notRegistered(identity, sources)
  const foundHash = hashOf(found, sources)
  if (foundHash === identity.hash) return found
  const foundName = shownName(found, sources)
  throw new FunctionNotFoundError(
    `The worker has another version of ${called(identity)}: the driver has '${identity.name}' ` +
      `${short(identity.hash)}, the worker found '${foundName}' ${short(foundHash)}. ` +
      'The file changed after the driver loaded it, or registers other functions in a worker. ' +
      'Start the program again, and call remote() unconditionally at the top level.',
    { data: { ...identity, foundHash, foundName } },
  )
}

/** What to show for a function: own name, else the variable it is assigned to, else `file:line`. */
export function shownName(descriptor: FunctionDescriptor, sources: Sources): string {
  if (descriptor.ownName !== '') return descriptor.ownName
  const { line, variable } = sources.writtenAt(descriptor)
  return variable ?? `${fileName(descriptor.home)}:${line}`
}

/** Modules of Virga's own: imported with the user's, and no order is to be kept with them. */
const ownHomes = new Set<string>()

/** The user's homes that have registered functions, in the order of their first one. */
export function registeredHomes(): readonly string[] {
  return [...registry().homes.keys()].filter((home) => !ownHomes.has(home))
}

/**
 * Take the hash of every home now, and of each further one when it registers its first function:
 * an edit after that is noticed, however late init() and the first submit.
 * @returns stops doing so.
 */
export function captureHomes(sources: Sources): () => void {
  const { homes, watchers } = registry()
  const watcher = (home?: string): void => {
    if (home !== undefined && !ownHomes.has(home)) sources.capture(home)
  }
  for (const home of homes.keys()) watcher(home)
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

/**
 * What init() returns in a worker: a promise that never resolves, so that what stands below it
 * runs in the driver alone. The loader that imports the caller's module is told.
 */
export function park(): Promise<never> {
  const shared = registry()
  shared.parkCount += 1
  registryChanged(shared)
  return new Promise<never>(() => undefined)
}

/** The error for a home that is loaded and has no such function. */
export function notRegistered(
  identity: FunctionIdentity,
  sources: Sources,
  why?: { readonly hint: string; readonly cause?: unknown },
): FunctionNotFoundError {
  const known = registry().homes.get(identity.home) ?? []
  const names = known.slice(0, NAMES_SHOWN_MAX).map((fn) => shownName(fn, sources))
  const hint =
    why?.hint ??
    'Call remote() unconditionally at the top level of the module, above init(); a call in a ' +
      'function, a branch or below `await init()` happens in the driver only.'
  return new FunctionNotFoundError(
    `The worker has no ${called(identity)}: after importing that module it knows ` +
      `${known.length === 0 ? 'no function' : names.map((name) => `'${name}'`).join(', ')} of it. ${hint}`,
    {
      ...(why !== undefined && 'cause' in why ? { cause: why.cause } : {}),
      data: { ...identity, found: names, foundCount: known.length },
    },
  )
}

interface Place {
  readonly home: string
  readonly line: number
  readonly column: number
  readonly ordinal: number
}

function describe(fn: RemoteTarget, kind: 'task' | 'actor', place: Place): FunctionDescriptor {
  const shape = kindOf(fn)
  const ownName = typeof fn.name === 'string' ? fn.name : ''
  return {
    kind,
    fn,
    ...place,
    ownName,
    name: ownName === '' ? `${fileName(place.home)}:${place.line}` : ownName,
    site: new Error('remote'),
    arity: arityOf(fn),
    shape,
    isGenerator: shape === 'generator',
    isAsyncGenerator: shape === 'asyncGenerator',
    isClass: shape === 'class',
    methods: shape === 'class' ? methodsOf(fn) : new Map(),
  }
}

/**
 * Virga's own modules are as old as the package, which may be installed anew while a program runs:
 * there the protocol says who understands whom.
 */
const OWN_HASH = `virga protocol ${PROTOCOL_VERSION}`

function hashOf(descriptor: FunctionDescriptor, sources: Sources): string {
  if (ownHomes.has(descriptor.home)) return OWN_HASH
  return sources.hashOf(descriptor.home, `${descriptor.ownName}\0${descriptor.arity}`)
}

function checkTarget(fn: unknown, kind: 'task' | 'actor'): void {
  if (typeof fn !== 'function' || refusalOfRemote(fn) !== undefined) {
    throw new UsageError(`remote() takes a function or a class, got ${describeValue(fn)}.`)
  }
  if (kind === 'actor' && !isClass(fn)) {
    throw new UsageError(`'${fn.name}' is no class, so it cannot be an actor.`)
  }
}

function describeValue(value: unknown): string {
  return value === null ? 'null' : typeof value
}

function checkCount(count: number, home: string): void {
  if (count < FUNCTIONS_PER_HOME_MAX) return
  throw new UsageError(
    `remote() was called ${count} times by ${home}. Call it once per function, at the top level ` +
      'of the module; for other options of the same function use .options().',
    { data: { home, count } },
  )
}

/** FH1 of function-home.ts finds Virga's own file only when the user's bundle holds both. */
function checkBundled(home: string): void {
  const own: unknown = import.meta.url
  if (typeof own === 'string' && own !== home) return
  throw new UsageError(
    `virga itself was bundled into ${home}. A worker needs the package on its own: keep it ` +
      'external (esbuild: --external:virga) and install it beside the bundle.',
  )
}

function ownSite(moduleUrl: string): { home: string; line: number; column: number } {
  const home = normalizeHome(moduleUrl) ?? moduleUrl
  ownHomes.add(home)
  return { home, line: 1, column: 1 }
}

function called(identity: FunctionIdentity): string {
  return `remote function '${identity.name}' (number ${identity.ordinal} of ${identity.home})`
}

function short(hash: string): string {
  return hash.slice(0, 12)
}

function fileName(home: string): string {
  const path = homePath(home)
  return path.slice(path.lastIndexOf('/') + 1)
}
