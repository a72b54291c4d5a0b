// What whoever reaches for an actor of another node is told: its raylet, which alone knows what
// becomes of it, is not asked across nodes yet.
import { UsageError } from './virga-error.ts'

/**
 * @param what  the actor, for the message.
 * @param nodeId  where it lives; hex.
 */
export const livesElsewhere = (what: string, nodeId: string): UsageError =>
  new UsageError(
    `${what} lives on node ${nodeId}, and actors are not reached from other nodes yet. Call it on ` +
      'the node where it was made, or bind the task that calls it there.',
    { data: { nodeId } },
  )
