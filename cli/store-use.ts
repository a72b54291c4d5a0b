// The use of the object store, as a node's row tells it.
import { bytesText } from './amounts.ts'
import type { Row } from './raylet-client.ts'

export interface StoreUse {
  readonly usedBytes: number
  readonly sizeBytes: number
  readonly spilledBytes: number
}

export function storeOf(node: Row): StoreUse {
  const { usedBytes = 0, sizeBytes = 0, spilledBytes = 0 } = (node['store'] ?? {}) as Partial<StoreUse>
  return { usedBytes, sizeBytes, spilledBytes }
}

export function storeText({ usedBytes, sizeBytes, spilledBytes }: StoreUse): string {
  const spilled = spilledBytes === 0 ? '' : `, ${bytesText(spilledBytes)} spilled`
  return `${bytesText(usedBytes)} / ${bytesText(sizeBytes)}${spilled}`
}
