// Which rows of a table in memory are dropped for want of room: those that may expire, the ones
// written longest ago first. In DynamoDB time drops them, and they cost rent; here they cost
// memory, and what nobody asked for in all that time is the likeliest never to be asked for again.
// Invariant:
//   FR1. At most `rowsMax` rows and `bytesMax` bytes of them are kept, the newest at any rate.
import { keyText, type RowKey, type RowValue } from './storage.ts'

export interface FadingLimits {
  readonly rowsMax: number
  readonly bytesMax: number
}

/** Of a row, about: its maps, its key, and the names and small values of its fields. */
const ROW_BYTES = 512
/** Many go at once: the oldest of a Map is found by a walk over all that were deleted before it. */
const KEPT_SHARE = 0.99

export class FadingRows {
  readonly #limits: FadingLimits
  /** In the order of their last writes. */
  readonly #rows = new Map<string, { readonly key: RowKey; readonly sizeBytes: number }>()
  #sizeBytes = 0

  constructor(limits: FadingLimits) {
    this.#limits = limits
  }

  /** A row that may expire was written. @returns those that go for it, the oldest first (FR1). */
  wrote(key: RowKey, value: RowValue): readonly RowKey[] {
    this.forget(key)
    const sizeBytes = ROW_BYTES + bytesIn(value)
    this.#rows.set(keyText(key), { key, sizeBytes })
    this.#sizeBytes += sizeBytes
    return this.#hasRoom(1) ? [] : this.#makeRoom()
  }

  /** It is gone, or was written anew as one that does not expire. */
  forget(key: RowKey): void {
    const text = keyText(key)
    this.#sizeBytes -= this.#rows.get(text)?.sizeBytes ?? 0
    this.#rows.delete(text)
  }

  #makeRoom(): readonly RowKey[] {
    const dropped: RowKey[] = []
    for (const { key } of this.#rows.values()) {
      if (this.#hasRoom(KEPT_SHARE) || this.#rows.size === 1) break
      this.forget(key)
      dropped.push(key)
    }
    return dropped
  }

  #hasRoom(share: number): boolean {
    const { rowsMax, bytesMax } = this.#limits
    return this.#rows.size <= share * rowsMax && this.#sizeBytes <= share * bytesMax
  }
}

/** Of what may be large in a row. */
function bytesIn(value: RowValue): number {
  return Object.values(value).reduce<number>(
    (sum, field) => sum + (field instanceof Uint8Array ? field.length : 0),
    0,
  )
}
