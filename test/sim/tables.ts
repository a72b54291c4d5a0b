// The GCS of a simulated cluster: rows in memory, and which of them stay for good.
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import {
  keyText,
  type AppendedRow,
  type Row,
  type RowKey,
  type RowValue,
  type TransactItem,
} from '../../runtime/gcs/storage.ts'
import { LateKeys } from './late-keys.ts'

const TABLES = ['cluster', 'lineage', 'locations'] as const

export class SimTables extends MemoryStorage {
  readonly #room: { rowsMax: number; bytesMax: number }
  /** All that was ever to be written. */
  readonly #keys = new Map<string, RowKey>()
  readonly #late = new LateKeys()

  constructor() {
    const room = { rowsMax: Infinity, bytesMax: Infinity }
    super({ cluster: room, lineage: room, locations: room })
    this.#room = room
  }

  override putIf(...args: Parameters<MemoryStorage['putIf']>): ReturnType<MemoryStorage['putIf']> {
    this.#writes(args[0])
    return super.putIf(...args)
  }

  override append(rows: readonly AppendedRow[]): Promise<void> {
    for (const { key } of rows) this.#writes(key)
    return super.append(rows)
  }

  override transact(items: readonly TransactItem[]): Promise<boolean> {
    for (const { key } of items) this.#writes(key)
    return super.transact(items)
  }

  late<T>(run: () => T): T {
    return this.#late.asLate(run)
  }

  /**
   * Rows that no time drops: all that may expire does so now. Without those that were written late,
   * which nobody knows of.
   */
  async staying(): Promise<readonly Row[]> {
    this.#room.rowsMax = this.#room.bytesMax = 0
    for (const table of TABLES) {
      await super.append([{ key: { ...LAST, table }, value: {}, expiresAtMs: 0 }])
    }
    this.#room.rowsMax = this.#room.bytesMax = Infinity
    const known = [...this.#keys].filter(([text]) => !this.#late.keys.has(text))
    const rows = await Promise.all(known.map(([, key]) => this.get(key)))
    return rows.filter((row) => row !== undefined)
  }

  #writes(key: RowKey): void {
    const text = keyText(key)
    this.#keys.set(text, key)
    this.#late.writes(text)
  }
}

/** The row for which all others go. */
const LAST = { pk: 'expiry', sk: '-' }

/** What of a row is told. */
export const textOf = ({ key: { pk, sk }, value }: Row): string =>
  `${pk} ${sk} ${JSON.stringify(shortly(value))}`

const shortly = (value: RowValue): RowValue =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => !(field instanceof Uint8Array)))
