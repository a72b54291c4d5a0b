// Another node is asked to adopt an actor that this one leaves behind, performed; what that means
// is decided in left-actors.ts.
import { isNobodyThere } from '../../protocol/peer-transport.ts'
import type { Brain } from '../brain.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import type { RayletEffect } from '../turn.ts'

/** It reads and writes the row of the actor: others are asked within the time of a drain. */
const ASK_LIMIT_MS = 2_000

interface AskDeps {
  readonly member: Pick<ClusterMember, 'ask'>
  readonly brain: Pick<Brain, 'tell'>
}

export async function askToAdopt(
  { member, brain }: AskDeps,
  { nodeId, left }: Extract<RayletEffect, { kind: 'askToAdopt' }>,
): Promise<void> {
  const answer = await member.ask(nodeId, 'adoptActor', left, ASK_LIMIT_MS).then(
    (isTaken) => (isTaken ? 'TAKEN' : 'REFUSED'),
    (error: unknown) => (isNobodyThere(error) ? 'REFUSED' : 'UNKNOWN'),
  )
  brain.tell({ kind: 'adoptionAnswered', left, answer })
}
