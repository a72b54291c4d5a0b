// Which lives of nodes have ended (pure), by their epochs. Ids do not tell: who was cut off for a
// while may never see a row that says DEAD, as the node is there again, in its next life; and who
// is behind may meet that next life before it reads that the one before has ended.
import type { NodeRow } from '../../gcs/nodes.ts'

/** Of the lives that have ended a process that connects is told of so many, the newest: of those it
 *  may still meet a process. */
const TOLD_MAX = 1_000

/** Of one node, that others may not have seen end: the newest. */
const UNSEEN_MAX = 16

/** By node, the newest epoch that is over; nothing of one that lives in its first. */
export type EndedLives = ReadonlyMap<string, number>

/** @param rows  all that there are, the dead included. */
export function endedLives(
  rows: readonly Pick<NodeRow, 'nodeId' | 'epoch' | 'state'>[],
): EndedLives {
  const ended = new Map<string, number>()
  for (const { nodeId, epoch, state } of rows) {
    const newest = newestEnded({ epoch, state })
    if (newest > 0) ended.set(nodeId, newest)
  }
  return ended
}

/** Epochs of that node that have ended after that one, oldest first. */
export function epochsEnded(row: Life, after = 0): readonly number[] {
  const newest = newestEnded(row)
  const first = Math.max(after + 1, newest - UNSEEN_MAX + 1)
  return Array.from({ length: Math.max(0, newest - first + 1) }, (_, i) => first + i)
}

type Life = Pick<NodeRow, 'epoch' | 'state'>

const newestEnded = ({ epoch, state }: Life): number => (state === 'DEAD' ? epoch : epoch - 1)

/** @param epoch  without it, whether some life of that node has. */
export const hasEnded = (ended: EndedLives, nodeId: string, epoch = 0): boolean =>
  (ended.get(nodeId) ?? -1) >= epoch

/** The newest of them, in the order in which they were heard of. */
export class NewestLives {
  readonly #newest = new Map<string, number>()

  add(lives: Iterable<readonly [nodeId: string, epoch: number]>): void {
    for (const [nodeId, epoch] of lives) {
      this.#newest.delete(nodeId)
      this.#newest.set(nodeId, epoch)
      const [oldest = ''] = this.#newest.keys()
      if (this.#newest.size > TOLD_MAX) this.#newest.delete(oldest)
    }
  }

  list(): readonly (readonly [nodeId: string, epoch: number])[] {
    return [...this.#newest]
  }
}
