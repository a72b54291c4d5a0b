// Fields too large for a row: their bytes are a body, the row has a pointer with size and SHA-256.
// A body's key names its row, so that a sweep needs no list of all rows: what is old and is not
// pointed at by its row was left by a writer that lost, crashed or was followed by another.
// Invariants:
//   BO1. A body is written before the row that points at it, under a key of its own for each write.
//   BO2. Bytes that are not those that were written are never handed out.
// Source: faults.md F38, F41, F42.
import { ObjectCorruptedError, ObjectLostError, UsageError } from '../common/errors.ts'
import { toHex, fromBytes } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import { ValueCodec } from '../protocol/value-codec.ts'
import type { BodyStore } from './body-store.ts'
import { fieldBytes, valueBytes, type Field } from './row-value.ts'
import { keyText, type RowKey, type TableName } from './storage.ts'

/**
 * Above this a field is a body. A PUT to S3 costs as much as writing 8 KiB into a row: that decides
 * for lineage, which nobody waits for; elsewhere one round trip less is worth more.
 */
const FIELD_BYTES_MAX: Readonly<Record<TableName, number>> = {
  cluster: 64 * 1024,
  lineage: 8 * 1024,
  locations: 64 * 1024,
}
/** All fields of a row together. DynamoDB takes 400 KB; the rest is for its key and pointers. */
const FIELDS_BYTES_MAX = 390 * 1024
/** S3 takes 1,024 bytes. */
const BODY_KEY_BYTES_MAX = 1000
const SWEEP_PAGE = 500

export interface BodyPointer {
  readonly key: string
  readonly sizeBytes: number
  /** SHA-256, hex. */
  readonly digest: string
}

export interface SplitValue {
  readonly fields: Readonly<Record<string, Field>>
  readonly bodies: Readonly<Record<string, BodyPointer>>
}

export interface BodiesDeps {
  readonly store: BodyStore
  readonly hash: Hash
}

export class Bodies {
  readonly #deps: BodiesDeps
  readonly #codec = new ValueCodec()

  constructor(deps: BodiesDeps) {
    this.#deps = deps
  }

  /**
   * Store the fields that are too large, and the largest of the others until the rest fits (BO1).
   * @param token  makes the bodies' keys this write's own.
   */
  async split(
    key: RowKey,
    value: Readonly<Record<string, Field>>,
    token: string,
  ): Promise<SplitValue> {
    const fields: Record<string, Field> = { ...value }
    const bodies: Record<string, BodyPointer> = {}
    const bySize = Object.keys(value)
      .map((name) => ({ name, bytes: fieldBytes(value[name] ?? null) }))
      .toSorted((a, b) => b.bytes - a.bytes)
    for (const { name, bytes } of bySize) {
      if (bytes <= FIELD_BYTES_MAX[key.table] && valueBytes(fields) <= FIELDS_BYTES_MAX) break
      bodies[name] = await this.#put(key, name, { field: fields[name] ?? null, token })
      delete fields[name]
    }
    return { fields, bodies }
  }

  /**
   * The bytes behind a pointer.
   * @throws ObjectLostError when they are gone, ObjectCorruptedError when they are others (BO2).
   */
  async load({ key, sizeBytes, digest }: BodyPointer): Promise<Field> {
    const bytes = await this.#deps.store.get(key)
    if (bytes === undefined) {
      throw new ObjectLostError(`the body ${key} of a row is gone`, { data: { key } })
    }
    const got = this.#digest(bytes)
    if (got !== digest) {
      throw new ObjectCorruptedError(
        `the body ${key} is not what was written: expected ${digest}, got ${got}`,
        { data: { key, sizeBytes, expected: digest, got } },
      )
    }
    return this.#codec.decode(bytes) as Field
  }

  async #put(
    row: RowKey,
    name: string,
    { field, token }: { field: Field; token: string },
  ): Promise<BodyPointer> {
    const writer = new ByteWriter()
    this.#codec.encodeInto(writer, field, name)
    const bytes = writer.take()
    const key = this.#keyOf(row, name, token)
    await this.#deps.store.put(key, bytes)
    return { key, sizeBytes: bytes.byteLength, digest: this.#digest(bytes) }
  }

  /** F39: keys begin with two digits of a hash, so that S3 can spread them. */
  #keyOf(row: RowKey, name: string, token: string): string {
    const shard = this.#digest(Buffer.from(keyText(row))).slice(0, 2)
    const key = [shard, row.table, row.pk, row.sk, name, token]
      .map((part) => encodeURIComponent(part))
      .join('/')
    if (Buffer.byteLength(key) <= BODY_KEY_BYTES_MAX) return key
    throw new UsageError(`the row ${keyText(row)} has a large value and too long a key: shorten it`)
  }

  #digest(bytes: Uint8Array): string {
    return toHex(fromBytes(this.#deps.hash.sha256(bytes)))
  }
}

/** The row a body was written for. */
function rowOfBody(bodyKey: string): RowKey | undefined {
  const [, table, pk, sk] = bodyKey.split('/').map((part) => decodeURIComponent(part))
  if (table === undefined || pk === undefined || sk === undefined) return undefined
  return { table: table as TableName, pk, sk }
}

export interface SweepDeps {
  readonly store: BodyStore
  /** The keys of the bodies that a row points at; none when it is not there. */
  readonly pointersOf: (row: RowKey) => Promise<readonly string[]>
}

/**
 * Delete bodies that no row points at and that are old enough not to be those of a write in
 * progress. May be repeated and run beside writers and other sweeps.
 * @param ageMs  far above what any write takes: an hour or more.
 * @returns how many were deleted.
 */
export async function sweepBodies(deps: SweepDeps, ageMs: number): Promise<number> {
  let deleted = 0
  let after = ''
  for (;;) {
    const page = await deps.store.list('', { after, limit: SWEEP_PAGE })
    for (const body of page) {
      const row = rowOfBody(body.key)
      if (body.ageMs < ageMs || row === undefined) continue
      if ((await deps.pointersOf(row)).includes(body.key)) continue
      await deps.store.delete(body.key)
      deleted += 1
    }
    const last = page.at(-1)
    if (last === undefined || page.length < SWEEP_PAGE) return deleted
    after = last.key
  }
}
