// What remote() gives, and a method of a handle, as they are shown: by console.log, in templates,
// where somebody calls one as if it were the plain function, and where one is sent as a value.
// What can be called are own properties of it; here are only its words.
import { UsageError } from './errors.ts'

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

interface Words {
  /** The name of the user's function or class, read when it is shown. */
  readonly nameOf: () => string
  /** How it is used. */
  readonly use: string
  /** What to do instead of sending it. */
  readonly instead: string
}

const wordsOf = new WeakMap<object, Words>()

class Target {
  toString(): string {
    return `${this.constructor.name} ${nameOf(this)}: ${wordsOf.get(this)?.use ?? ''}`
  }

  [INSPECT](): string {
    return this.toString()
  }
}

class RemoteFunction extends Target {}
class RemoteClass extends Target {}
class RemoteMethod extends Target {}

const nameOf = (target: object): string => wordsOf.get(target)?.nameOf() ?? ''

export const remoteFunctionOf = (nameOf: () => string, members: object): object =>
  targetOf(RemoteFunction, members, {
    nameOf,
    use: 'call it with .remote(…) or .run(…)',
    instead: 'Import it in the task that uses it, or send the ObjectRef that its .remote(…) gives.',
  })

export const remoteClassOf = (nameOf: () => string, members: object): object =>
  targetOf(RemoteClass, members, {
    nameOf,
    use: 'make an actor of it with .remote(…)',
    instead: 'Import it in the task that uses it, or send the handle that its .remote(…) gives.',
  })

export const remoteMethodOf = <M extends object>(nameOf: () => string, members: M): M =>
  targetOf(RemoteMethod, members, {
    nameOf,
    use: 'call it with .remote(…) or .run(…)',
    instead: 'Send the handle of its actor.',
  })

/** A function, so that calling it, with `new` or without, says what to write instead. */
function targetOf<M extends object>(
  Kind: { readonly prototype: Target },
  members: M,
  words: Words,
): M {
  const target = function (): never {
    const error = new UsageError(`${nameOf(target)} cannot be called directly: ${words.use}`)
    Error.captureStackTrace(error, target)
    throw error
  }
  // It is no function to anybody but who calls it: nothing is inherited from one. What it has of
  // its own stays: of an object that lost a property, methods are slow to call (10 ns more).
  Object.setPrototypeOf(target, Kind.prototype)
  target.prototype = undefined
  wordsOf.set(target, words)
  return Object.freeze(Object.assign(target, members))
}

/** Why what remote() gave cannot be sent, and what can; undefined for all else. */
export function refusalOfRemote(
  value: object,
): { readonly what: string; readonly hint: string } | undefined {
  const words = wordsOf.get(value)
  if (words === undefined) return undefined
  const kind = (value as Target).constructor.name
  return { what: `it is the ${kind} ${words.nameOf()}`, hint: words.instead }
}
