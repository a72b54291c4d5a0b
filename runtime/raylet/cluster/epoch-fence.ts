// Which epoch of each node may still speak: what this one knows of deaths and rebirths, as the
// judge of connections asks it (peer-hello.ts). A node is judged before its row was ever read.
//   EF1. What may speak only ever rises: a stale row does not let a dead epoch back in (ND2).
import type { NodeRow } from '../../gcs/nodes.ts'

export class EpochFence {
  /** By node, one number for each that the GCS has a row of. */
  readonly #oldest = new Map<string, number>()

  learn({ nodeId, epoch, state }: Pick<NodeRow, 'nodeId' | 'epoch' | 'state'>): void {
    const oldest = state === 'DEAD' ? epoch + 1 : epoch
    this.#oldest.set(nodeId, Math.max(oldest, this.oldestEpoch(nodeId)))
  }

  /** 0 for a node that is not known yet. */
  oldestEpoch(nodeId: string): number {
    return this.#oldest.get(nodeId) ?? 0
  }
}
