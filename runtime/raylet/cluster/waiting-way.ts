// Which nodes a node waits for to get a part of an object, one behind the other, and whether they
// form a circle (pure). Each knows of such a way only what the next one says, with every "later".
// Invariant:
//   WC1. Of the nodes of a circle the one with the smallest id, and no other, looks for another
//        source. It is so known to it after as many words as the circle has nodes.
// Source: path-pushing detection of deadlocks (Obermarck 1982).

/** Longer than any tree of 1,000 nodes is deep (BC3). */
const NODES_MAX = 16

export const encodeWay = (nodes: readonly string[]): Buffer =>
  Buffer.from(nodes.slice(0, NODES_MAX).join(' '), 'latin1')

export const decodeWay = (body: Uint8Array): string[] =>
  Buffer.from(body).toString('latin1').split(' ', NODES_MAX).filter(Boolean)

/** WC1. @param way  whom `self` waits for, whom that one waits for, and so on. */
export function breaksCircle(self: string, way: readonly string[]): boolean {
  const end = way.indexOf(self)
  return end !== -1 && way.slice(0, end).every((node) => self < node)
}
