// Where the user's program asked for a value: shown below the frames of the task that failed.
// Captured when a get begins to wait, because afterwards the stack is gone; formatted only when an
// error is shown.
import { VirgaError } from '../common/errors.ts'
import type { StackView } from '../common/stack.ts'
import { addCallSite, showErrors } from '../common/task-error.ts'

export interface CallSite {
  readonly stack?: string
}

/** The stack from here on; frames of Virga are left out when it is shown. About a microsecond. */
export function captureCallSite(): CallSite {
  const site: { stack?: string } = {}
  Error.captureStackTrace(site, captureCallSite)
  return site
}

/**
 * What a call throws at once, with the stack of who called: the frames of Virga in between would
 * leave no room for the user's.
 * @param call  the function that the user called.
 */
export function atCaller(error: unknown, call: (...args: never[]) => unknown): unknown {
  if (error instanceof VirgaError) Error.captureStackTrace(error, call)
  return error
}

const shown = new WeakSet<Error>()

/** Finishes an error for the user, once: frames of the task in its source, then the call site. */
export function withCallSite(
  error: unknown,
  site: CallSite,
  label: string,
  view: StackView,
): unknown {
  if (!(error instanceof VirgaError) || shown.has(error)) return error
  shown.add(error)
  addCallSite(error, site.stack ?? '', label, view)
  showErrors(error.cause, view, shown)
  return error
}
