// What dead nodes have spilled to a bucket is deleted, for each by the one node that rendezvous
// hashing names: nobody reads it any more.
import { VirgaError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import type { NodeStore, SpillOwner } from '../node-store.ts'

export interface SpillSweeperDeps {
  readonly nodeId: string
  readonly log: Log
  /** Undefined while nobody has used the store of this node. */
  readonly store: () => NodeStore | undefined
}

export class SpillSweeper {
  readonly #deps: SpillSweeperDeps
  /** Done or under way; as many as nodes have rows. */
  readonly #swept = new Set<SpillOwner>()

  constructor(deps: SpillSweeperDeps) {
    this.#deps = deps
  }

  /** @param nodes  all that have a row. */
  nodes(nodes: readonly NodeRow[]): void {
    const sweep = this.#deps.store()?.sweep
    if (sweep === undefined) return
    const living = nodes.filter(({ state }) => state === 'ALIVE').map(({ nodeId }) => nodeId)
    for (const { nodeId, epoch, state } of nodes) {
      const owner: SpillOwner = `${nodeId}-${epoch}`
      if (state !== 'DEAD' || this.#swept.has(owner)) continue
      if (rendezvous(owner, living, 1)[0] !== this.#deps.nodeId) continue
      this.#swept.add(owner)
      void this.#sweep(owner, sweep)
    }
  }

  async #sweep(owner: SpillOwner, sweep: NonNullable<NodeStore['sweep']>): Promise<void> {
    try {
      await sweep(owner)
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      this.#swept.delete(owner) // again at the next change of nodes
      const { message } = error
      this.#deps.log.warn('what a dead node had spilled is still there', { owner, error: message })
    }
  }
}
