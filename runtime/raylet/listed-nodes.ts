// Nodes in a sentence: `node a, node b, node c and 2 more`.
const SHOWN_MAX = 3

/** @param nodeIds  in hex. */
export function listed(nodeIds: readonly string[]): string {
  const more = nodeIds.length - SHOWN_MAX
  const shown = nodeIds.slice(0, SHOWN_MAX).map((nodeId) => `node ${nodeId}`)
  return `${shown.join(', ')}${more > 0 ? ` and ${String(more)} more` : ''}`
}
