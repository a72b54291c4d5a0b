// What a task threw, as the error its caller sees: made in the worker that ran it, finished in
// the process that gets the result.
//   worker:  taskErrorOf(thrown, task)   message and raw frames
//   caller:  addCallSite(error, ...)     frames mapped to sources and trimmed, the call site below
// Invariants:
//   K1. `cause` is the very value thrown, also when it is no Error.
//   K2. `stack` has the remote frames first, then the caller's, so that the top line is the place
//       to look at.
import { classNameOf, clip, showValue } from './show-value.ts'
import { framesOf, joinStacks, userFrames } from './stack.ts'
import type { StackView } from './stack.ts'
import { TaskError } from './virga-error.ts'
import type { TaskInfo, VirgaError } from './virga-error.ts'

/** Of the user's message in ours; the whole of it stands in `cause`. */
const THROWN_CHARS_MAX = 2000
/** Hex digits of an id that tell tasks and nodes of one run apart. */
const ID_CHARS_SHOWN = 12

/**
 * The error of a task whose code threw.
 * @param thrown  the value thrown, of any type.
 */
export function taskErrorOf(thrown: unknown, task: TaskInfo): TaskError {
  const error = new TaskError(`${task.name} threw ${describeThrown(thrown)} (${placeOf(task)})`, {
    cause: thrown,
    data: { ...task },
  })
  setStack(error, [headerOf(error), ...framesOf(stackOf(thrown))].join('\n'))
  return error
}

/**
 * Finish an error for the code that waits for it: its remote frames as the user wrote them, then
 * where that code called. To be done once for each error object.
 * @param callSite  the stack of an error made where the user's code called, or its frames.
 * @param label  what the call site is: `driver`, `worker 1234`.
 */
export function addCallSite(
  error: VirgaError,
  callSite: string,
  label: string,
  view: StackView,
): void {
  const remote = error instanceof TaskError ? userFrames(framesOf(error.stack ?? ''), view) : []
  const local = userFrames(framesOf(callSite), view)
  setStack(error, joinStacks(headerOf(error), remote, local, label))
}

/**
 * Trim and map the stacks of an error of the user's, its cause and the errors that it holds.
 * @param shown  errors that are finished already; those finished now are added.
 */
export function showErrors(thrown: unknown, view: StackView, shown: WeakSet<Error>): void {
  const left = [thrown]
  for (let next = left.pop(); left.length > 0 || next !== undefined; next = left.pop()) {
    if (!(next instanceof Error) || shown.has(next)) continue
    shown.add(next)
    if (!(next instanceof TaskError)) showUserFrames(next, view)
    left.push(next.cause)
    const errors: unknown = next instanceof AggregateError ? next.errors : undefined
    if (Array.isArray(errors)) left.push(...(errors as unknown[]))
  }
}

function showUserFrames(error: Error, view: StackView): void {
  const stack = stackOf(error)
  const frames = framesOf(stack)
  if (frames.length === 0) return
  const header = stack.split('\n').slice(0, -frames.length)
  setStack(error, [...header, ...userFrames(frames, view)].join('\n'))
}

/** `RangeError: text` for an error; the value itself for anything else. */
export function describeThrown(thrown: unknown): string {
  if (thrown instanceof TaskError) return describeChain(thrown)
  if (!(thrown instanceof Error)) return showValue(thrown)
  const name = textOf(thrown, 'name') || classNameOf(thrown)
  const message = textOf(thrown, 'message')
  return message === '' ? name : clip(`${name}: ${message}`, THROWN_CHARS_MAX)
}

/** A failure that passed through tasks that waited for it: what it was, not each hop again. */
function describeChain(error: TaskError): string {
  let hops = 1
  let root: unknown = error.cause
  for (; root instanceof TaskError; root = root.cause) hops += 1
  return `${describeThrown(root)}, through ${hops} ${hops === 1 ? 'task' : 'tasks'} it waited for`
}

function placeOf(task: TaskInfo): string {
  const parts = [`task ${short(task.taskId)}`]
  if (task.actorId !== undefined) parts.push(`actor ${short(task.actorId)}`)
  parts.push(`pid ${task.pid}`, `node ${short(task.nodeId)}`)
  // From 0, as runtimeContext().attempt and the rows of tasks: the number that its logs have.
  if (task.attempts > 1) parts.push(`attempt ${task.attempts - 1}`)
  return parts.join(', ')
}

const short = (id: string): string => id.slice(0, ID_CHARS_SHOWN)

const headerOf = (error: Error): string => `${error.name}: ${error.message}`

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? textOf(thrown, 'stack') : ''

/** A user may put anything, also a throwing accessor, where a text belongs. */
function textOf(error: Error, key: 'name' | 'message' | 'stack'): string {
  try {
    const value: unknown = error[key]
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

function setStack(error: Error, stack: string): void {
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
}
