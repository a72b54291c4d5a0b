// Which lives of nodes have ended (pure), by their epochs. Ids do not tell: who was cut off for a
// while may never see a row that says DEAD, as the node is there again, in its next life; and who
// is behind may meet that next life before it reads that the one before has ended.
import type { NodeRow } from '../../gcs/nodes.ts'

/** By node, the newest epoch that is over; nothing of one that lives in its first. */
export type EndedLives = ReadonlyMap<string, number>

/** @param rows  all that there are, the dead included. */
export function endedLives(
  rows: readonly Pick<NodeRow, 'nodeId' | 'epoch' | 'state'>[],
): EndedLives {
  const ended = new Map<string, number>()
  for (const { nodeId, epoch, state } of rows) {
    const newest = state === 'DEAD' ? epoch : epoch - 1
    if (newest > 0) ended.set(nodeId, newest)
  }
  return ended
}

/** @param epoch  without it, whether some life of that node has. */
export const hasEnded = (ended: EndedLives, nodeId: string, epoch = 0): boolean =>
  (ended.get(nodeId) ?? -1) >= epoch
