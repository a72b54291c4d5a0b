// Which of two views of an actor is the later one: lives count up, and within a life its phases.
import type { ActorPhase, ActorView } from './actor-messages.ts'

const ORDER: readonly ActorPhase[] = [
  ...(['DEPENDENCIES_UNREADY', 'PENDING_CREATION', 'RESTARTING', 'ALIVE', 'DEAD'] as const),
]

/** Whether there is nothing more to be told of that id. */
export const isFinal = ({ phase, foundInstead }: ActorView): boolean =>
  phase === 'DEAD' || foundInstead !== undefined

/** Whether `view` tells nothing that is newer than what is known. */
export function isStaleView(known: ActorView | undefined, view: ActorView): boolean {
  if (known === undefined) return false
  if (isFinal(known)) return true
  if (isFinal(view)) return false
  if (view.incarnation !== known.incarnation) return view.incarnation < known.incarnation
  if (view.phase !== known.phase) return ORDER.indexOf(view.phase) < ORDER.indexOf(known.phase)
  // Why it restarts is said once that is decided.
  return view.error === undefined || known.error !== undefined
}
