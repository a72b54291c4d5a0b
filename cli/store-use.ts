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

export function storeOf(node: Row): StoreUse {
  const { usedBytes = 0, sizeBytes = 0, totals = {} } = (node['store'] ?? {}) as Told
  return { usedBytes, sizeBytes, spilledBytes: totals.spilledBytes ?? 0 }
}

export function storeText({ usedBytes, sizeBytes, spilledBytes }: StoreUse): string {
  const spilled = spilledBytes === 0 ? '' : `, ${bytesText(spilledBytes)} spilled so far`
  return `${bytesText(usedBytes)} / ${bytesText(sizeBytes)}${spilled}`
}
