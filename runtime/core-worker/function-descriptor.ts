// What is known about a remote function or class from the moment of remote(): its place and kind.
// A descriptor never changes, and is the same object for every caller in this process.
import type { FunctionShape, MethodKind } from './function-kind.ts'

export type RemoteTarget = (...args: never[]) => unknown
export type RemoteClassTarget = abstract new (...args: never[]) => unknown

export interface FunctionDescriptor {
  readonly kind: 'task' | 'actor'
  readonly fn: RemoteTarget | RemoteClassTarget
  /** File URL of the module that called remote(). */
  readonly home: string
  /** Which call of remote() by that module this is, from 0. */
  readonly ordinal: number
  /** The function's own name, '' where it has none. */
  readonly ownName: string
  /** What to show until the home was read: own name, else `file:line`. See shownName(). */
  readonly name: string
  /** 1-based, of the code that runs. */
  readonly line: number
  readonly column: number
  /** Where it was made, for its place in the user's source; formatted only when asked. */
  readonly site: Error
  readonly arity: number
  readonly shape: FunctionShape
  readonly isGenerator: boolean
  readonly isAsyncGenerator: boolean
  readonly isClass: boolean
  /** Of a class: its public methods and those it inherits. Empty for a function. */
  readonly methods: ReadonlyMap<string, MethodKind>
}
