// ActorHandle: how user code holds an actor. A proxy, so that a misspelt or private method is a
// typed error at the call and not "undefined is not a function". Not thenable.
import { ForeignRefError, MethodNotFoundError, UsageError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import type { ActorInfo } from '../protocol/actor-messages.ts'
import type { ObjectEntry } from './object-entry.ts'

export interface RemoteMethodParts {
  remote(...args: unknown[]): unknown
  run(...args: unknown[]): unknown
  options(options: object): RemoteMethodParts
}

export interface ActorTarget {
  readonly info: ActorInfo
  /** Counts the handles: see references.ts. */
  readonly entry: ObjectEntry
  /** Whether this process has left the cluster of the actor. */
  hasLeft(): boolean
  method(name: string): RemoteMethodParts
}

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** What the proxy stands before: no plain object, so that the value codec asks what it is. */
class ActorHandleTarget {
  /** For console.log, which looks behind the proxy and calls what it finds on the handle. */
  [INSPECT](): string {
    return shownAs(targetOf(this).info)
  }
}

const targets = new WeakMap<object, ActorTarget>()

export function makeActorHandle(target: ActorTarget): object {
  const methods = new Map<string, RemoteMethodParts>()
  const handle = new Proxy(new ActorHandleTarget(), {
    get(_, name) {
      if (typeof name === 'symbol') return shownBy(name, target)
      if (name === 'toJSON') return refuseJson
      if (NOT_METHODS.has(name)) return undefined
      let method = methods.get(name)
      if (method === undefined) {
        method = Object.hasOwn(target.info.methods, name)
          ? target.method(name)
          : missing(target, name)
        methods.set(name, method)
      }
      return method
    },
    has: (_, name) => typeof name === 'string' && Object.hasOwn(target.info.methods, name),
    ownKeys: () => [],
    set: () => false,
  })
  targets.set(handle, target)
  return handle
}

export const isActorHandle = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && targets.has(value)

/**
 * @throws TypeError for anything but a handle: callers check first. ForeignRefError for one of a
 *   cluster that this process has left.
 */
export function actorTargetOf(handle: object): ActorTarget {
  const target = targetOf(handle)
  if (target.hasLeft()) throw leftError(target.info)
  return target
}

/** For a handle that is used after shutdown(), also where init() has joined another cluster. */
export function leftError(info: ActorInfo): ForeignRefError {
  return new ForeignRefError(
    `${shownAs(info)} is of a cluster that this process has left; make the actor anew, or look it ` +
      'up by its name',
    { data: { actorId: toHex(info.actorId) } },
  )
}

function targetOf(handle: object): ActorTarget {
  const target = targets.get(handle)
  if (target === undefined) throw new TypeError('this is not an actor handle')
  return target
}

export const actorEntryOf = (handle: object): ObjectEntry => actorTargetOf(handle).entry

const shownAs = ({ className }: ActorInfo): string => `ActorHandle(${className})`

/** How a handle looks in logs and templates. */
function shownBy(name: symbol, { info }: ActorTarget): unknown {
  const shown = shownAs(info)
  if (name === Symbol.toStringTag) return shown
  const asText = name === Symbol.toPrimitive || name === INSPECT
  return asText ? () => shown : undefined
}

function refuseJson(): never {
  throw new UsageError(
    'an actor handle cannot be written as JSON: pass the handle itself to a task',
  )
}

/** What runtimes look for on any object; never a method of an actor. */
const NOT_METHODS = new Set(['then', 'constructor', 'asymmetricMatch', '$$typeof', 'nodeType'])

function missing({ info }: ActorTarget, name: string): RemoteMethodParts {
  const fail = (): never => {
    const known = Object.keys(info.methods)
    throw new MethodNotFoundError(
      `${info.className} has no public method '${name}'; it has ${known.join(', ') || 'none'}. ` +
        'Private members (#x, _x), accessors and fields cannot be called from outside.',
      { data: { method: name, methods: known } },
    )
  }
  return Object.assign(() => fail(), { remote: fail, run: fail, options: fail })
}
