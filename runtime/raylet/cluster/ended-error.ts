// What ends a node that was declared dead while it stood still, where others tell it before its own
// row does.
import { NodeDiedError } from '../../common/errors.ts'
import type { NodeIdentity } from '../../protocol/node-identity.ts'

/** @param by  who refuses that epoch, by what the GCS has told it. */
export function endedError(
  { nodeId, epoch }: Pick<NodeIdentity, 'nodeId' | 'epoch'>,
  by: string,
  cause: unknown,
): NodeDiedError {
  return new NodeDiedError(
    `node ${nodeId} in epoch ${String(epoch)} must stop: it was declared dead, and ${by} lets ` +
      'that epoch in no more; start it anew',
    { cause, data: { nodeId, epoch } },
  )
}
