// The use of the object store, as a node's row tells it.
import { bytesText } from './amounts.ts'
import type { Row } from './raylet-client.ts'

export interface StoreUse {
  readonly usedBytes: number
  readonly sizeBytes: number
  /** Since the cluster started. */
  readonly spilledBytes: number
}

interface Told {
  readonly usedBytes?: number
  readonly sizeBytes?: number
  readonly totals?: { readonly spilledBytes?: number }
}

/** What one node uses. */
export function storeOf(node: Row): StoreUse {
  const { usedBytes = 0, sizeBytes = 0, totals = {} } = (node['store'] ?? {}) as Told
  return { usedBytes, sizeBytes, spilledBytes: totals.spilledBytes ?? 0 }
}

/** What the nodes that answered use together. */
export function storeOfAll(nodes: readonly Row[]): StoreUse {
  const uses = nodes.map(storeOf)
  const sum = (of: (use: StoreUse) => number): number =>
    uses.reduce((total, use) => total + of(use), 0)
  return {
    usedBytes: sum((use) => use.usedBytes),
    sizeBytes: sum((use) => use.sizeBytes),
    spilledBytes: sum((use) => use.spilledBytes),
  }
}

export function storeText({ usedBytes, sizeBytes, spilledBytes }: StoreUse): string {
  const spilled = spilledBytes === 0 ? '' : `, ${bytesText(spilledBytes)} spilled so far`
  return `${bytesText(usedBytes)} / ${bytesText(sizeBytes)}${spilled}`
}
