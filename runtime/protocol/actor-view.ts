// Which of two views of an actor is the later one: lives count up, and within a life its phases.
import type { ActorPhase, ActorView } from './messages.ts'

const ORDER: readonly ActorPhase[] = [
  ...(['DEPENDENCIES_UNREADY', 'PENDING_CREATION', 'RESTARTING', 'ALIVE', 'DEAD'] as const),
]

/** Whether `view` tells nothing that is newer than what is known. */
export function isStaleView(known: ActorView | undefined, view: ActorView): boolean {
  if (known === undefined) return false
  if (known.phase === 'DEAD') return true
  if (view.phase === 'DEAD') return false // which is final
  if (view.incarnation !== known.incarnation) return view.incarnation < known.incarnation
  return ORDER.indexOf(view.phase) <= ORDER.indexOf(known.phase)
}
